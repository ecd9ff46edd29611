# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Play a recording to a running node and collect its estimates: for demo, benchmarks, tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading
from typing import Any

from mmer_ros.nodes.tools.player import Player
from mmer_ros.nodes.tools.watch import Watcher
from mmer_ros.recordings.recording import Recording
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


@contextmanager
def spinning(context: Any, *nodes: Node) -> Iterator[None]:
    """Spin nodes in a thread while the block runs; then destroy them and their context."""
    executor = SingleThreadedExecutor(context=context)
    for node in nodes:
        executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    thread = threading.Thread(target=spin, name='spin')
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()
        for node in nodes:
            node.destroy_node()
        context.try_shutdown()


@contextmanager
def watching(topic: str, on_estimate: Callable[[dict[str, Any]], None]) -> Iterator[Watcher]:
    """Collect estimates in the background while the block runs."""
    context = rclpy.Context()
    context.init()
    watcher = Watcher(topic, on_estimate, context=context)
    with spinning(context, watcher):
        yield watcher


def play(watcher: Watcher, recording: Recording, topics: list[str], *, rate: float = 1.0,
         wait_s: float = 120.0, tail_s: float = 3.0,
         on_start: Callable[[], None] = lambda: None) -> bool:
    """
    Play a recording once each of the topics has a subscriber.

    :param on_start: called then.
    :return: False if they have none within `wait_s` seconds.
    """
    player = Player(watcher, recording, rate)
    if not player.wait(topics, wait_s):
        return False
    on_start()
    player.play(tail_s)
    return True
