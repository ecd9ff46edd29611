# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer live` in a real browser, whose camera and microphone show and play the sample."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
import json
from pathlib import Path
import re
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

aiohttp = pytest.importorskip(
    'aiohttp', reason="needs aiohttp: pip install 'mmer_ros[live]'")

from mmer_ros.interfaces.images import compressed_to_rgb
from mmer_ros.recordings.recording import COMPRESSED_IMAGE, Recording
from mmer_ros.replay import replay_bag, ReplayOptions
from mmer_ros.types import EMOTIONS, UInt8
from tools.browser import FAKE

from ..fixtures.browser import Browser, browser, fake_devices, find_browser
from ..fixtures.stream import BASE, SAMPLE, sample_audio, TWO_TURNS_S

pytestmark = pytest.mark.slow

SHOWN_S = TWO_TURNS_S + 0.6
START = 'document.getElementById("start").click()'
CONNECTION = 'document.getElementById("connection").innerText'
NOTICE = 'document.getElementById("notice").innerText'
UTTERANCES = '[...document.querySelectorAll("#spoken li[data-of]")].map((row) => row.innerText)'


@pytest.fixture(scope='module', autouse=True)
def program() -> str:
    return find_browser()


def sample_frames() -> list[UInt8]:
    """Return the images of the beginning of the sample, 15 a second."""
    with Recording(SAMPLE) as recording:
        return [compressed_to_rgb(recording.decode(recorded)) for recorded in recording.messages()
                if recorded.msgtype == COMPRESSED_IMAGE and recorded.time < BASE + SHOWN_S]


@asynccontextmanager
async def mmer_live(folder: Path, *options: str) -> AsyncIterator[tuple[str, Any]]:
    """Run the command; give its address and its process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, '-m', 'mmer_ros.cli.main', 'live', '--no-browser', '--port', '0',
        '--recordings', str(folder), *options, stderr=asyncio.subprocess.PIPE)
    try:
        text = ''
        while not (found := re.search(r'http://127\.0\.0\.1:\d+/\?token=[\w-]+', text)):
            line = await asyncio.wait_for(process.stderr.readline(), 120)
            assert line, text
            text += line.decode()
        yield found[0], process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def seven(page: Browser) -> dict[str, int]:
    """Return the probabilities that the page shows, percent."""
    rows: list[list[str]] = await page.evaluate(
        '[...document.querySelectorAll("#seven > div")].map((row) => '
        '[row.dataset.name, row.lastElementChild.innerText])')
    return {name: int(share.split()[0]) for name, share in rows}


def test_utterances_and_emotions_reach_the_page(tmp_path: Path) -> None:
    async def check() -> None:
        flags = fake_devices(tmp_path, sample_audio()[1][:int(SHOWN_S * 16_000)],
                             sample_frames(), 15)
        async with (mmer_live(tmp_path / 'made') as (url, process),
                    browser(tmp_path, flags) as page):
            await page.go_to(url)
            await page.wait_for('document.getElementById("connection").innerText === "connected"')
            await page.evaluate(START)
            await page.wait_for('!document.getElementById("record").disabled')
            await page.evaluate('document.getElementById("record").click()')
            await page.wait_for('document.getElementById("state").innerText === "partial"')
            await page.wait_for(f'{UTTERANCES}.length >= 2')
            await page.wait_for('document.getElementById("who").innerText.startsWith("1 face")')
            await page.wait_for(  # the name in the picture is the name in the list
                'document.getElementById("who").innerText.endsWith("person1 speaks")')
            await page.wait_for(f'{UTTERANCES}.some((row) => row.includes("person1"))')
            shown = await seven(page)
            assert set(shown) == set(EMOTIONS) and 95 <= sum(shown.values()) <= 105
            label = await page.evaluate('document.getElementById("label").innerText')
            assert shown[label] == max(shown.values())
            rows = await page.evaluate(UTTERANCES)
            assert all(any(name in row for name in EMOTIONS) for row in rows)
            assert any('voice' in row for row in rows)
            assert await page.evaluate('document.getElementById("latency").innerText') != '–'
            await check_second_tab(page, url)
            await page.evaluate('document.getElementById("record").click()')
            await page.wait_for(f'{NOTICE}.startsWith("Saved")')
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 60) == 0
            assert 'connection' in await page.wait_for(f'{NOTICE}.includes("is lost") && {NOTICE}')
    asyncio.run(check())
    assert replay_bag(tmp_path / 'made' / 'live-1', ReplayOptions()).estimates


async def check_second_tab(page: Browser, url: str) -> None:
    """Open a second connection, which is told in a sentence."""
    told = await page.evaluate("""(async () => {
        const socket = new WebSocket(`ws://${location.host}/socket${location.search}`);
        return await new Promise((done) => { socket.onmessage = ({data}) => done(data); });
    })()""")
    assert 'another tab' in json.loads(told)['text']


@pytest.mark.parametrize(('flags', 'words'), [
    (('--use-fake-ui-for-media-stream',), ('There is no camera', 'There is no microphone')),
    (('--use-fake-device-for-media-stream', '--deny-permission-prompts'),
     ('may not use the camera', 'may not use the microphone'))],
    ids=['none there', 'not allowed'])
def test_what_the_browser_lacks_is_said_in_a_sentence(
        tmp_path: Path, flags: Sequence[str], words: Sequence[str]) -> None:
    async def check() -> None:
        async with mmer_live(tmp_path) as (url, _), browser(tmp_path, flags) as page:
            await page.go_to(url)
            await page.evaluate(START)
            notice = await page.wait_for(f'!document.getElementById("start").disabled && {NOTICE}')
            assert all(each in notice for each in words), notice
            assert await page.evaluate('document.getElementById("start").innerText') == 'Start'
            for lack, sentence in (('delete window.AudioContext', 'no AudioWorklet'),
                                   ('delete window.WebSocket', 'no WebSocket')):
                await page.evaluate(f'{lack}; {START}')
                assert sentence in await page.evaluate(NOTICE)
    asyncio.run(check())


def test_a_page_that_is_refused_or_gets_no_answer_says_so(tmp_path: Path) -> None:
    async def check() -> None:
        async with (mmer_live(tmp_path) as (url, process), browser(tmp_path, FAKE) as page,
                    aiohttp.ClientSession() as session):
            port, token = urlsplit(url).port, urlsplit(url).query
            address = f'http://127.0.0.1:{port}/socket?{token}&page=first'
            async with session.ws_connect(address, origin=f'http://127.0.0.1:{port}'):
                await page.go_to(url)
                await page.wait_for(f'{NOTICE}.includes("another tab")')
                await page.evaluate(START)
                assert 'another tab' in await page.evaluate(NOTICE)
                assert await page.evaluate('document.getElementById("start").innerText') == 'Start'
                await page.evaluate('document.getElementById("action").click()')
                await page.wait_for(f'{CONNECTION} === "connected"')
            process.send_signal(signal.SIGSTOP)
            await page.wait_for(f'{NOTICE}.includes("has not answered for")')
            assert await page.evaluate(CONNECTION) == 'no answer'
            process.send_signal(signal.SIGCONT)
            await page.wait_for(f'{CONNECTION} === "connected"')
            assert not (await page.evaluate(NOTICE)).strip()
            process.kill()
            await page.wait_for(f'{NOTICE}.includes("is lost")')
        async with mmer_live(tmp_path) as (url, _), browser(tmp_path / 'other') as page:
            await page.go_to(url.partition('?')[0])
            assert 'ends with a token' in await page.evaluate('document.body.innerText')
    asyncio.run(check())
