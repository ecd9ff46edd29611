# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A headless Chromium with a fake camera and microphone, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
import os
from pathlib import Path
import shutil
from typing import Any

import aiohttp
import av
from mmer_ros.types import Int16, InvalidInput
import numpy as np
from numpy.typing import NDArray
from tools.sample_clip import write_wav

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--hide-scrollbars', '--remote-debugging-port=0',
         '--autoplay-policy=no-user-gesture-required')
FAKE = ('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream')
PATIENCE_S = 120.0


def find_browser() -> str | None:
    """Return the program; None if there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Browser:
    """A page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send_json({'id': number, 'method': method, 'params': parameters})
        while True:
            answer = await self._socket.receive_json(timeout=PATIENCE_S)
            if answer.get('id') == number:
                assert 'error' not in answer, answer
                return answer['result']  # type: ignore[no-any-return]

    async def evaluate(self, expression: str) -> Any:
        """Return the value of JavaScript."""
        answer = await self.call('Runtime.evaluate', expression=expression, awaitPromise=True,
                                 returnByValue=True, userGesture=True)
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    async def wait_for(self, expression: str) -> Any:
        """Wait until JavaScript gives something true, and return it."""
        for _ in range(int(PATIENCE_S / 0.2)):
            if value := await self.evaluate(expression):
                return value
            await asyncio.sleep(0.2)
        text = await self.evaluate('document.body.innerText')
        raise AssertionError(f'never true: {expression}\n{text}')

    async def go_to(self, url: str) -> None:
        """Go to an address."""
        await self.call('Page.navigate', url=url)
        await self.wait_for('document.readyState === "complete"')

    async def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Show the page in this size, light or dark."""
        await self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                        deviceScaleFactor=1, mobile=width < 600)
        await self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    async def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save the whole page, or what fits the window, as a PNG."""
        shot = await self.call('Page.captureScreenshot', captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot['data']))


@asynccontextmanager
async def browser(folder: Path, flags: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """
    Start a browser, and end it.

    :param folder: for its profile.
    :raises InvalidInput: if none is installed.
    """
    program, profile = find_browser(), folder / 'profile'
    if program is None:
        raise InvalidInput(f'browser: install one of {", ".join(PROGRAMS)}')
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, *flags, f'--user-data-dir={profile}', 'about:blank',
        env={**os.environ, 'HOME': str(folder)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        port = await _port(profile / 'DevToolsActivePort', process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f'http://127.0.0.1:{port}/json') as answer:
                pages = [page for page in await answer.json() if page['type'] == 'page']
            async with session.ws_connect(pages[0]['webSocketDebuggerUrl'], max_msg_size=0
                                          ) as socket:
                yield Browser(socket)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(path: Path, process: asyncio.subprocess.Process) -> int:
    for _ in range(int(PATIENCE_S / 0.1)):
        if path.is_file() and (text := path.read_text().split()):
            return int(text[0])
        assert process.returncode is None, 'the browser has ended'
        await asyncio.sleep(0.1)
    raise AssertionError('the browser does not start')


def fake_devices(folder: Path, sound: Int16, frames: Sequence[NDArray[np.uint8]], rate: int
                 ) -> list[str]:
    """
    Return flags for a camera that shows these frames and a microphone that hears this sound.

    :param sound: (samples,) at 16 kHz; both repeat.
    :param frames: (height, width, 3) RGB, `rate` a second.
    """
    write_wav(folder / 'microphone.wav', sound)
    height, width = frames[0].shape[:2]
    with (folder / 'camera.y4m').open('wb') as file:
        file.write(f'YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n'.encode())
        for frame in frames:
            planes = av.VideoFrame.from_ndarray(frame, format='rgb24').to_ndarray(
                format='yuv420p')
            file.write(b'FRAME\n' + planes.tobytes())
    return [*FAKE, f'--use-file-for-fake-audio-capture={folder / "microphone.wav"}',
            f'--use-file-for-fake-video-capture={folder / "camera.y4m"}']
