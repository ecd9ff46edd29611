# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Measure how fast a long recording is replayed, where the time goes, and how much memory it takes.

The sample, in a loop, becomes a recording of 640x480 images at 15 fps with 16 kHz audio; each is
replayed by `mmer replay` in a process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import cv2
from mmer_ros.interfaces.images import compressed_to_rgb
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from rich.console import Console
from rich.table import Table
from rosbags.rosbag2 import StoragePlugin, Writer

SAMPLE = Path('sample/dialogue')
OUT = Path('out/bench')
SIZE = (640, 480)
LOOP_NS = 41 * 10 ** 9  # the sample fits to its beginning without a seam
JPEG_QUALITY = 80

Message = tuple[int, str, Any]  # time of recording in ns, type, message


class Loop:
    """The sample again and again, its images enlarged, its stamps going on."""

    def __init__(self, recording: Recording, raw: bool) -> None:
        self._recording = recording
        self._raw = raw
        self._large: dict[int, Any] = {}  # number of the image -> its JPEG
        self.store = recording.known_types

    def messages(self, minutes: float) -> Iterator[Message]:
        """Yield messages up to a length."""
        start_ns = round(self._recording.start * 1e9)
        for lap in range(10 ** 6):
            for number, recorded in enumerate(self._recording.messages()):
                time_ns = recorded.time_ns + lap * LOOP_NS
                if time_ns - start_ns > minutes * 60e9:
                    return
                message = self._recording.decode(recorded)
                if recorded.msgtype != TRANSCRIPT:
                    message.header.stamp.sec += lap * LOOP_NS // 10 ** 9
                if recorded.msgtype == COMPRESSED_IMAGE:
                    yield time_ns, *self._image(number, message)
                else:
                    yield time_ns, recorded.msgtype, message

    def _image(self, number: int, message: Any) -> tuple[str, Any]:
        if not self._raw and number in self._large:
            message.data = self._large[number]
            return COMPRESSED_IMAGE, message
        image = cv2.resize(compressed_to_rgb(message), SIZE, interpolation=cv2.INTER_LINEAR)
        if self._raw:
            # Another class of the same fields: the sample's own definitions made this header.
            types = self.store.types
            stamp = types['builtin_interfaces/msg/Time'](
                message.header.stamp.sec, message.header.stamp.nanosec)
            header = types['std_msgs/msg/Header'](stamp, message.header.frame_id)
            return IMAGE, types[IMAGE](
                header, SIZE[1], SIZE[0], 'rgb8', 0, SIZE[0] * 3, image.ravel())
        _, jpeg = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        message.data = self._large[number] = jpeg.ravel()
        return COMPRESSED_IMAGE, message


def make_recording(folder: Path, minutes: float, *, raw: bool) -> int:
    """Write a recording and return its size, bytes."""
    topics = {AUDIO: '/audio', TRANSCRIPT: '/transcript', IMAGE: '/camera/image',
              COMPRESSED_IMAGE: '/camera/image/compressed'}
    del topics[COMPRESSED_IMAGE if raw else IMAGE]
    with Recording(SAMPLE) as sample, Writer(
            folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        loop = Loop(sample, raw)
        connections = {kind: writer.add_connection(topic, kind, typestore=loop.store)
                       for kind, topic in topics.items()}
        for time_ns, kind, message in loop.messages(minutes):
            writer.write(connections[kind], time_ns, loop.store.serialize_cdr(message, kind))
    return sum(file.stat().st_size for file in folder.iterdir())


def replay(bag: Path, output: Path, bundle: str, threads: int) -> dict[str, Any]:
    """Replay in a process of its own; return what it measured, and its memory."""
    command = [sys.executable, '-m', 'mmer_ros.cli.main', 'replay', str(bag),
               '--output', str(output),
               '--bundle', bundle, '--threads', str(threads)]
    before = os.getloadavg()[0]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise SystemExit(f'{" ".join(command)} ended with {code}:\n{said}')
    run = json.loads((output / 'run.json').read_text())
    summary = json.loads((output / 'summary.json').read_text())
    return {'recording_s': summary['duration_s'], 'utterances': summary['utterances'],
            'wall_s': run['wall_s'], 'times_real_time': run['times_real_time'],
            'cpu_s': usage.ru_utime + usage.ru_stime, 'peak_memory_mb': usage.ru_maxrss / 1024,
            'load_before': before, 'report_s': run['report_s'],
            'report_mb': (output / 'report.html').stat().st_size / 1e6,
            'stages_s': run['stages_s'], 'processing_s': run['processing_s']}


def _show(name: str, result: dict[str, Any], console: Console) -> None:
    table = Table('measure', 'value', title=name)
    table.add_row('recording', f'{result["recording_s"] / 60:.1f} min, '
                  f'{result["size_mb"]:.0f} MB, {result["utterances"]} utterances')
    table.add_row('speed', f'{result["times_real_time"]:.2f} x real time '
                  f'({result["wall_s"]:.0f} s, {result["cpu_s"]:.0f} s of CPU)')
    table.add_row('peak memory', f'{result["peak_memory_mb"]:.0f} MB')
    table.add_row('page', f'{result["report_mb"]:.1f} MB in {result["report_s"]:.1f} s, not in '
                  'the time above')
    table.add_row('load of the machine before', f'{result["load_before"]:.1f}')
    for stage, seconds in sorted(result['stages_s'].items(), key=lambda item: -item[1]):
        table.add_row(f'  {stage}', f'{seconds:.1f} s')
    console.print(table)


def main() -> int:
    """Measure what was asked for, print it and save it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, nargs='+', default=[10.0],
                        help='lengths of the recordings with JPEG images')
    parser.add_argument('--raw', type=float, nargs='*', default=[], metavar='MINUTES',
                        help='lengths of those with raw images, 0.83 GB a minute')
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--folder', type=Path, help='for the recordings (default: temporary)')
    options = parser.parse_args()
    console = Console(width=100)
    OUT.mkdir(parents=True, exist_ok=True)
    results = {}
    for raw, minutes in [(False, m) for m in options.minutes] + [(True, m) for m in options.raw]:
        folder = Path(tempfile.mkdtemp(prefix='mmer-bench-', dir=options.folder))
        name = f'{minutes:g} min, {"raw" if raw else "JPEG"} 640x480 at 15 fps'
        try:
            with console.status(f'writing {name}'):
                size = make_recording(folder / 'bag', minutes, raw=raw)
            with console.status(f'replaying {name}'):
                result = replay(folder / 'bag', folder / 'out', options.bundle, options.threads)
        finally:
            shutil.rmtree(folder)
        results[name] = {**result, 'size_mb': size / 1e6}
        _show(f'{options.bundle}: {name}', results[name], console)
        file = OUT / f'replay-{options.bundle}.json'
        file.write_text(json.dumps(results, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
