# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Print estimates as a table while they arrive, and save them as JSON lines."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

from mmer_msgs.msg import EmotionEstimate
from mmer_ros.nodes.conversions import NANOSECONDS, to_seconds
from mmer_ros.types import EMOTIONS, Modality
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rich.console import Console

COLUMNS = (('time', 8), ('utterance', 6), ('emotion', 17), ('probabilities', 38),
           ('evidence', 17), ('latency', 8))


class Watcher(Node):
    """Subscribe to estimates and pass each on as plain values."""

    def __init__(self, topic: str, on_estimate: Callable[[dict[str, Any]], None],
                 **kwargs: Any) -> None:
        super().__init__('watch', **kwargs)
        self.create_subscription(
            EmotionEstimate, topic, lambda message: on_estimate(to_row(message)), 100)


def to_row(message: EmotionEstimate) -> dict[str, Any]:
    """Return a message as plain values with the names of types.Estimate.to_dict."""
    copied = ('utterance_id', 'person_id', 'face_id', 'voice_id', 'speaker_by',
              'speaker_margin', 'final', 'provisional', 'revision', 'emotion', 'label',
              'confidence', 'calibrated', 'trained', 'valence', 'arousal', 'transcript',
              'bundle_name', 'bundle_hash')
    row = {name: getattr(message, name) for name in copied}
    row['stamp'] = to_seconds(message.header.stamp)
    row['start'], row['end'] = to_seconds(message.start), to_seconds(message.end)
    row['latency'] = message.latency.sec + message.latency.nanosec / NANOSECONDS
    row['probabilities'] = dict(zip(EMOTIONS, map(float, message.probabilities)))
    row['modalities'] = list(Modality(message.modalities).names)
    row['modality_weights'] = dict(
        zip(('text', 'audio', 'face'), map(float, message.modality_weights)))
    return row


class Table:
    """
    A table that grows line by line on a terminal.

    :param origin: capture time 0 of the table, seconds; None: start of the first estimate.
    """

    def __init__(self, console: Console, origin: float | None = None) -> None:
        self._console = console
        self._origin = origin
        self._headed = False

    def add(self, row: dict[str, Any]) -> None:
        """Print one estimate."""
        if not self._headed:
            self._headed = True
            self._console.print(_line([name for name, _ in COLUMNS]), style='bold')
        if self._origin is None:
            self._origin = row['start']
        bars = ' '.join(f'{name[:2]}{_bar(p)}{100 * p:2.0f}'
                        for name, p in row['probabilities'].items())
        kind = '' if row['final'] else ' ?' if row.get('provisional') else ' ...'
        kind += f' r{row["revision"]}' if row['revision'] else ''
        self._console.print(_line([
            f'{row["start"] - self._origin:6.2f} s', f'{row["end"] - row["start"]:4.1f} s',
            f'{row["label"]} {100 * row["confidence"]:.0f}%{kind}', bars,
            ' '.join(row['modalities']), f'{1000 * row["latency"]:.0f} ms']), highlight=False)


def _bar(probability: float) -> str:
    return ' ▁▂▃▄▅▆▇█'[min(8, round(8 * probability))]


def _line(cells: list[str]) -> str:
    return '  '.join(cell.ljust(width) for cell, (_, width) in zip(cells, COLUMNS)).rstrip()


def main(arguments: list[str] | None = None) -> None:
    """Watch until interrupted."""
    parser = argparse.ArgumentParser(prog='watch', description=__doc__)
    parser.add_argument('--topic', default='emotion')
    parser.add_argument('--save', type=Path, metavar='FILE', help='JSON lines')
    options = parser.parse_args(remove_ros_args(arguments or sys.argv)[1:])
    table = Table(Console())

    def show(row: dict[str, Any]) -> None:
        table.add(row)
        if options.save:
            with options.save.open('a', encoding='utf-8') as file:
                file.write(json.dumps(row) + '\n')

    rclpy.init(args=arguments)
    node = Watcher(options.topic, show)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
