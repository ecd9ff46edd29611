# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Play what a segmenter has published, as a robot of its own: `python -m ... FILE ROBOT`.

The estimates that come back are printed as JSON lines; `tools.bench_wifi` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
import struct
import sys
import time
from typing import Any, BinaryIO

from mmer_msgs.msg import EmotionEstimate, UtterancePart
from mmer_ros.nodes.runtime.part_session import part_qos
from mmer_ros.nodes.tools.probes import reliable
from mmer_ros.settings import NodeSettings
import numpy as np
import rclpy
from rclpy.serialization import serialize_message

HEADER = struct.Struct('<dQ?')  # seconds since the first, bytes, whether an estimate follows
REST_S = 15.0  # for what is still on its way at the end


def write_message(file: BinaryIO, moment: float, message: UtterancePart, due: bool) -> None:
    """
    Append a message to a file.

    :param moment: when it is to be published, seconds since the first.
    :param due: a final estimate is due with it.
    """
    data = serialize_message(message)
    file.write(HEADER.pack(moment, len(data), due) + data)


def read_messages(path: Path) -> Iterator[tuple[float, bytes, bool]]:
    """Return moment, serialised message and `due` of each message of a file."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        moment, size, due = HEADER.unpack_from(content, place)
        place += HEADER.size + size
        yield moment, content[place - size:place], due


def as_row(estimate: Any) -> dict[str, Any]:
    """Return what is compared of an estimate or its message."""
    return {'id': estimate.utterance_id, 'probabilities': [
        float(np.float32(x)) for x in estimate.probabilities]}


def play(path: Path, robot: str) -> None:
    """Publish the messages in real time once a line is read; print what happens."""
    rclpy.init()
    node = rclpy.create_node('part_player', namespace=robot)
    publisher = node.create_publisher(UtterancePart, '/utterance_parts', part_qos(NodeSettings()))

    def take(message: EmotionEstimate) -> None:
        if message.final:
            print(json.dumps({'final': time.monotonic(), **as_row(message)}), flush=True)

    node.create_subscription(EmotionEstimate, f'/{robot}/emotion', take, reliable())
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({'ready': True}), flush=True)
    sys.stdin.readline()
    begin, times, total = time.monotonic(), [], 0
    for moment, data, due in read_messages(path):
        while (wait := begin + moment - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=wait)
        publisher.publish(data)
        total += len(data)
        if due:
            times.append(time.monotonic())
    print(json.dumps({'due': times, 'payload': total}), flush=True)
    end = time.monotonic() + REST_S
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)


if __name__ == '__main__':
    play(Path(sys.argv[1]), sys.argv[2])
