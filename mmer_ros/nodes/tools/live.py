# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer live --ros`: the estimates, the debug image and the health of a running node on a page."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
import os
import threading
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.cli.live import announce
from mmer_ros.live.app import serve
from mmer_ros.live.messages import LatestFinals, Message, Packet
from mmer_ros.live.page import PageFacts
from mmer_ros.live.server import DEFAULT_PORT, LiveServer
from mmer_ros.monitor.state import Health, MonitorState
from mmer_ros.nodes.conversions import decode_image
from mmer_ros.nodes.middleware import plain
from mmer_ros.nodes.tools.playback import spinning
from mmer_ros.nodes.tools.watch import to_row
from mmer_ros.types import InvalidInput
import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
from rclpy.node import Node
from rclpy.validate_topic_name import validate_topic_name
from rich.console import Console
from sensor_msgs.msg import Image

JPEG_QUALITY = 80
NOTHING_S = 5.0  # without an estimate publisher or health
WARN = 1  # of diagnostic_msgs/DiagnosticStatus
READ_ONLY = 'this page only watches; change the node with its services'


class NodeWatcher(Node):
    """
    Passes what a node publishes to a page.

    :param topic: of the estimates.
    :param emotion_node: name of the node whose debug image and health are shown.
    :raises NameValidationException: if a name is not valid in ROS.
    """

    def __init__(self, *, topic: str = 'emotion', emotion_node: str = 'emotion', **kwargs: Any
                 ) -> None:
        for name in (topic, emotion_node):
            validate_topic_name(name)
        super().__init__(f'live_{os.getpid()}', start_parameter_services=False, **kwargs)
        self.topic = self.resolve_topic_name(topic)
        self._send: Callable[[Message | bytes], object] = lambda message: None
        self._finals = LatestFinals()
        self._lock = threading.Lock()
        self._state = MonitorState(self.topic, self.resolve_service_name(emotion_node))
        self.create_subscription(EmotionEstimate, topic, self._on_estimate, 50)
        self.create_subscription(Image, f'{emotion_node}/debug_image', self._on_image, 1)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    # --------------------------------------------- of the page's side, as live.server.Source

    def attach(self, server: LiveServer) -> NodeWatcher:
        """Send to this server from now on, and be its source."""
        self._send = server.send
        return self

    def receive(self, packet: Packet) -> None:
        """Refuse audio and images."""
        raise InvalidInput(f'{packet.kind}: {READ_ONLY}')

    def start(self) -> None:
        """Begin nothing: the node works by itself."""

    def pause(self) -> None:
        """End nothing: the node works by itself."""

    def reset(self) -> None:
        """Refuse to change the node."""
        raise InvalidInput(f'reset: {READ_ONLY}')

    def record(self, on: bool) -> None:
        """Refuse to record."""
        raise InvalidInput(f'record: {READ_ONLY}; ros2 bag record keeps a session')

    def recording_message(self) -> Message:
        """Return that nothing is recorded."""
        return {'type': 'recording', 'on': False, 'path': ''}

    def kept(self) -> list[Message]:
        """Return the latest final estimates, oldest first."""
        return self._finals.messages()

    def report(self) -> Message:
        """Return what is wrong with the node, in the words of its diagnostics."""
        now = time.monotonic()
        with self._lock:
            shown = self._state.health(now)
        problems = [f'{plain_name(h.name)}: {h.message}' if now - h.at < NOTHING_S else
                    f'{plain_name(h.name)}: nothing on /diagnostics for {now - h.at:.0f} s'
                    for h in shown if h.level_at(now) >= WARN]
        if not self.count_publishers(self.topic):
            problems.insert(0, f'nobody publishes on {self.topic}; start the node, or '
                               'check ROS_DOMAIN_ID, --topic and --namespace')
        return {'type': 'health', 'problems': problems}

    # ------------------------------------------------------------------------- of ROS's side

    def _on_estimate(self, message: EmotionEstimate) -> None:
        row: Message = {'type': 'estimate', **to_row(message)}
        self._finals.add(row)
        self._send(row)

    def _on_image(self, message: Image) -> None:
        try:
            image = decode_image(message)
        except InvalidInput as error:
            self._send({'type': 'event', 'kind': 'debug_image', 'text': str(error)})
            return
        done, jpeg = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                  [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if done:
            self._send(jpeg.tobytes())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._lock:
            for status in message.status:
                level = status.level[0] if isinstance(status.level, bytes) else status.level
                self._state.add_health(
                    Health(status.name, level, status.message, (), time.monotonic()))


def plain_name(name: str) -> str:
    """Return the part of a status that it is about: 'emotion: camera' -> 'camera'."""
    return name.rsplit(': ', 1)[-1]


def run(options: argparse.Namespace, ros_arguments: list[str] | None = None) -> int:
    """
    Run `mmer live --ros` and return its exit code.

    :param options: as mmer_ros.cli.live.add_arguments adds them.
    """
    console = Console(stderr=True)
    context = rclpy.Context()
    try:
        context.init(ros_arguments)
        watcher = NodeWatcher(topic=options.topic, emotion_node=options.node,
                              namespace=options.namespace or None, context=context)
        with spinning(context, watcher):
            asyncio.run(serve(
                watcher.attach, _facts(watcher), one_tab=False,
                port=DEFAULT_PORT if options.port is None else options.port,
                exactly=options.port is not None,
                on_ready=lambda url: announce(console, url, opens=not options.no_browser)))
    except (NameValidationException, rcl.RCLError, rcl.UnknownROSArgsError) as error:
        console.print(plain(error), style='bold red', highlight=False, markup=False)
        return 2
    finally:
        context.try_shutdown()
    return 0


def _facts(watcher: NodeWatcher) -> PageFacts:
    return PageFacts('ros', 'mmer live', (f'watches {watcher.topic}',))
