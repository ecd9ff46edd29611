# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer live --ros`: what a node publishes reaches a page, which only watches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
import json
from typing import Any

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')
aiohttp = pytest.importorskip('aiohttp', reason="needs aiohttp: pip install 'mmer_ros[live]'")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.live.messages import IMAGE
from mmer_ros.live.page import PageFacts
from mmer_ros.live.server import LiveServer
from mmer_ros.nodes.tools.live import NodeWatcher
from mmer_ros.nodes.tools.playback import spinning
import numpy as np
from sensor_msgs.msg import Image

from ..fixtures.domains import use_own_domain
from ..fixtures.live import packet

PERIOD_S = 0.1


@pytest.fixture(autouse=True)
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_domain(monkeypatch)


class Robot:
    """Publishes an estimate, a debug image and a warning all the time."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = rclpy.create_node('emotion', context=context)
        self._out = {
            self.node.create_publisher(EmotionEstimate, 'emotion', 10): EmotionEstimate(
                utterance_id='u', final=True, label='joy', confidence=0.7, modalities=2,
                probabilities=[0.05] * 4 + [0.7] + [0.05] * 2),
            self.node.create_publisher(Image, '~/debug_image', 1): Image(
                height=24, width=32, encoding='rgb8', step=96,
                data=np.full((24, 32, 3), (200, 30, 30), np.uint8).tobytes()),
            self.node.create_publisher(DiagnosticArray, '/diagnostics', 10): DiagnosticArray(
                status=[DiagnosticStatus(level=DiagnosticStatus.WARN, name='emotion: camera',
                                         message='no images for 3 s')])}
        self.node.create_timer(PERIOD_S, self._publish)

    def _publish(self) -> None:
        for publisher, message in self._out.items():
            publisher.publish(message)


@contextmanager
def robot() -> Iterator[None]:
    context = rclpy.Context()
    context.init()
    with spinning(context, Robot(context).node):
        yield


@asynccontextmanager
async def watched() -> Any:
    """Run a watcher and its server, and connect a page."""
    context = rclpy.Context()
    context.init()
    watcher = NodeWatcher(context=context)
    with spinning(context, watcher):
        server = LiveServer(watcher.attach, PageFacts('ros', 'mmer live'), one_tab=False)
        runner = await server.listen(0)
        origin = f'http://127.0.0.1:{server.port}'
        async with aiohttp.ClientSession() as client, client.ws_connect(
                f'{origin}/socket', origin=origin, params={'token': server.token}) as socket:
            yield socket
        await runner.cleanup()


async def wait(socket: Any, is_it: Any) -> Any:
    """Return the first message that fits, JSON read."""
    async def look() -> Any:
        while True:
            data = (await socket.receive()).data
            data = json.loads(data) if isinstance(data, str) else data
            if is_it(data):
                return data
    return await asyncio.wait_for(look(), 60)


def of(kind: str) -> Any:
    return lambda data: isinstance(data, dict) and data['type'] == kind


def test_estimates_pictures_and_health_of_a_node_reach_the_page() -> None:
    async def check() -> None:
        async with watched() as socket:
            health = await wait(socket, of('health'))
            assert 'nobody publishes on /emotion' in health['problems'][0]
            with robot():
                estimate = await wait(socket, of('estimate'))
                assert (estimate['label'], estimate['modalities']) == ('joy', ['audio'])
                picture = await wait(socket, lambda data: isinstance(data, bytes))
                assert picture.startswith(b'\xff\xd8')
                health = await wait(socket, lambda data: of('health')(data) and any(
                    problem == 'camera: no images for 3 s' for problem in data['problems']))
                assert len(health['problems']) == 1
    asyncio.run(check())


@pytest.mark.parametrize('said', ['{"type": "record", "on": true}', '{"type": "reset"}',
                                  packet(IMAGE, 1.0, b'\xff\xd8')],
                         ids=['record', 'reset', 'image'])
def test_the_page_cannot_change_the_node(said: str | bytes) -> None:
    async def check() -> None:
        async with watched() as socket:
            await (socket.send_str(said) if isinstance(said, str) else socket.send_bytes(said))
            assert 'only watches' in (await wait(socket, of('event')))['text']
    asyncio.run(check())
