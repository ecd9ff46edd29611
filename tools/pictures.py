# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Make the pictures of the documentation from the sample: `python -m tools.pictures`.

All show the real program: the page of `mmer replay`, the page of `mmer live` in a browser whose
camera and microphone show and play the sample, and `mmer monitor` beside a node. Needs Chromium;
takes three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import math
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from mmer_ros.interfaces.images import compressed_to_rgb
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.monitor import Monitor, monitoring
from mmer_ros.nodes.tools.playback import play, watching
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording, TRANSCRIPT
from mmer_ros.replay import replay_bag, ReplayOptions
from mmer_ros.report.replay_page import write_page
import numpy as np
from rich.console import Console
from tools.browser import Browser, browser, fake_devices
from tools.processes import node_process
from tools.sample_clip import IMAGE_RATE, SAMPLE

DOCS = Path(__file__).parents[1] / 'docs'
PAGE_SIZE, LIVE_SIZE, MONITOR_SIZE = (1200, 1262), (1280, 1290), (82, 24)  # pixels; characters
SHOWN_S = 32.0  # of the sample, when the picture is taken: both people are in view, one speaks
READY = 'document.getElementById("connection").innerText === "connected"'
SPEAKS = ('document.getElementById("state").innerText === "partial" && '
          'document.getElementById("who").innerText.startsWith("2 faces")')


def main() -> int:
    """Make them; return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m tools.pictures', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', default=list(MAKERS),
                        help=f'{", ".join(MAKERS)}; all of them by default')
    names = parser.parse_args().names
    if unknown := set(names) - set(MAKERS):
        parser.error(f'no such picture: {", ".join(sorted(unknown))}; expected '
                     f'{", ".join(MAKERS)}')
    own_domain()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            MAKERS[name](Path(folder))
    return 0


async def _save(page: Browser, name: str, *, whole: bool = False) -> None:
    await page.screenshot(DOCS / name, whole=whole)
    print(f'docs/{name}: written')


def _page(folder: Path) -> None:
    result = replay_bag(SAMPLE, ReplayOptions(output=folder / 'replay'))
    write_page(result)
    asyncio.run(_drawn(folder, folder / 'replay' / 'report.html', PAGE_SIZE, 'timeline.png'))


async def _drawn(folder: Path, drawing: Path, size: tuple[int, int], name: str) -> None:
    async with browser(folder) as page:
        await page.resize(*size)
        await page.go_to(drawing.as_uri())
        await _save(page, name)


def _live(folder: Path) -> None:
    asyncio.run(_talk(folder))


async def _talk(folder: Path) -> None:
    with Recording(SAMPLE) as recording:
        messages = [(item.msgtype, recording.decode(item)) for item in recording.messages()
                    if item.msgtype in (AUDIO, COMPRESSED_IMAGE)]
    flags = fake_devices(
        folder, np.concatenate([np.asarray(m.samples, np.int16) for kind, m in messages
                                if kind == AUDIO]),
        [compressed_to_rgb(m) for kind, m in messages if kind != AUDIO], IMAGE_RATE)
    with _server(folder) as url:
        async with browser(folder, flags) as page:
            await page.resize(*LIVE_SIZE)
            await page.go_to(url)
            await page.wait_for(READY)
            await page.evaluate('document.getElementById("start").click()')
            await asyncio.sleep(SHOWN_S)
            await page.wait_for(SPEAKS)
            await _save(page, 'live.png', whole=True)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Run `mmer live`; give the address of its page."""
    with subprocess.Popen(
            [sys.executable, '-m', 'mmer_ros.cli.main', 'live', '--no-browser', '--port', '0',
             '--recordings', str(folder)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r'http://127\.0\.0\.1:\d+/\?token=[\w-]+', line):
                    yield found[0]
                    break
        finally:
            process.send_signal(signal.SIGINT)


def _monitor(folder: Path) -> None:
    """Draw `mmer monitor` beside a node to which the sample is played."""
    drawing = folder / 'monitor.svg'
    with Recording(SAMPLE) as recording:
        topics = {kind: recording.topic_of(msgtype) for kind, msgtype in (
            ('image', COMPRESSED_IMAGE), ('audio', AUDIO), ('transcript', TRANSCRIPT))}
        parameters = {'use_sim_time': True, 'image_transport': 'compressed',
                      'publish_transcript': True,
                      **{f'{kind}_topic': topic for kind, topic in topics.items()}}
        with (watching('emotion', lambda row: None) as watcher, monitoring() as monitor,
              node_process('emotion', parameters, folder / 'node.log')):
            camera = threading.Thread(target=_draw, args=(monitor, drawing))
            play(watcher, recording, list(topics.values()), on_start=camera.start)
            camera.join()
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing.read_text(encoding='utf-8'))
    assert size is not None
    width, height = (math.ceil(float(side)) for side in size.groups())
    asyncio.run(_drawn(folder, drawing, (width, height), 'monitor.png'))


def _draw(monitor: Monitor, drawing: Path) -> None:
    """Draw what the monitor shows when the moment has come."""
    end = time.monotonic() + SHOWN_S
    while time.monotonic() < end:
        monitor.view()
        time.sleep(0.5)
    with open(os.devnull, 'w', encoding='utf-8') as nowhere:
        console = Console(record=True, width=MONITOR_SIZE[0], height=MONITOR_SIZE[1],
                          force_terminal=True, color_system='truecolor', file=nowhere)
        console.print(monitor.view(look=True), height=MONITOR_SIZE[1])
        console.save_svg(str(drawing), title='mmer monitor')


MAKERS: dict[str, Callable[[Path], None]] = {
    'timeline': _page, 'live': _live, 'monitor': _monitor}

if __name__ == '__main__':
    sys.exit(main())
