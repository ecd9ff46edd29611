"""Play a recording to a running node and collect what it says: for demo, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import threading
from typing import Any

from mmer_ros.nodes.tools.player import Player
from mmer_ros.nodes.tools.watch import Watcher
from mmer_ros.recordings.recording import Recording
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


def own_domain() -> None:
    """Keep the graph of this process and its children to this computer, and to itself."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)


@contextmanager
def spinning(context: Any, *nodes: Node) -> Iterator[None]:
    """Spin nodes in a thread while the block runs; then they and the context are gone."""
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
    Play a recording once somebody listens to the topics.

    :param on_start: called when they do.
    :return: False if nobody did within `wait_s` seconds.
    """
    player = Player(watcher, recording, rate)
    if not player.wait(topics, wait_s):
        return False
    on_start()
    player.play(tail_s)
    return True
