# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The server of `mmer live` as pages and strangers meet it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
import json
from pathlib import Path
import time
from typing import Any

import pytest

aiohttp = pytest.importorskip('aiohttp', reason="needs aiohttp: pip install 'mmer_ros[live]'")

from mmer_ros.asr import AsrOptions, load_speech_recognizer
from mmer_ros.live.messages import AUDIO, IMAGE
from mmer_ros.live.page import PageFacts
from mmer_ros.live.server import BUSY, LiveServer, TAKEN
from mmer_ros.live.session import Session, SessionOptions
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.replay import replay_bag, ReplayOptions
from mmer_ros.types import InvalidInput
import numpy as np

from ..fixtures.live import add_prompter, packet, sample_packets
from ..fixtures.stream import TWO_TURNS_S

Message = dict[str, Any]
PATIENCE_S = 60.0
PASSING = ('faces', 'health')
HTML_SENTENCE = 'This page needs the address that mmer live printed'


@pytest.fixture(scope='module')
def recognizer() -> Recognizer:
    return Recognizer.load()


class Tab:
    """A page without a browser."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.seen: list[Message] = []

    async def receive(self) -> Message:
        message: Message = await self.socket.receive_json(timeout=60)
        self.seen.append(message)
        return message

    async def wait(self, is_it: Callable[[Message], object]) -> Message:
        async def look() -> Message:
            while not is_it(message := await self.receive()):
                pass
            return message
        try:
            return await asyncio.wait_for(look(), PATIENCE_S)
        except asyncio.TimeoutError:
            late = [message for message in self.seen if message['type'] not in PASSING]
            raise AssertionError(f'it never came; of late {late[-9:]}') from None

    async def say(self, kind: str, **more: Any) -> None:
        await self.socket.send_str(json.dumps({'type': kind, **more}))


class Live:
    """A server, and its address."""

    def __init__(self, server: LiveServer, session: Session, client: Any) -> None:
        self.server, self.session, self.client = server, session, client
        self.origin = f'http://127.0.0.1:{server.port}'

    @asynccontextmanager
    async def tab(self, page: str = 'one', **query: str) -> AsyncIterator[Tab]:
        async with self.client.ws_connect(
                f'{self.origin}/socket', origin=self.origin,
                params={'token': self.server.token, 'page': page, **query}) as socket:
            yield Tab(socket)

    async def play(self, tab: Tab, seconds: float) -> None:
        """Send the sample as fast as it is taken."""
        for data in sample_packets(seconds):
            before = self.session.received
            await tab.socket.send_bytes(data)
            while self.session.received == before or self.session.report()['waiting'] > 2:
                await asyncio.sleep(0.002)


def with_live(recognizer: Recognizer, folder: Path, check: Callable[[Live], Awaitable[None]],
              model: str = '') -> None:
    """Run a server on a free port, and a check against it."""
    async def run() -> None:
        sessions: list[Session] = []
        speech = load_speech_recognizer(AsrOptions(model)) if model else None

        def make(server: LiveServer) -> Session:
            sessions.append(Session(recognizer, SessionOptions(recordings=folder),
                                    send=server.send, clock=time.monotonic, speech=speech))
            return sessions[0]

        server = LiveServer(make, PageFacts('camera', 'mmer live', ('<b>facts</b>',)))
        runner = await server.listen(0)
        try:
            async with aiohttp.ClientSession() as client:
                await check(Live(server, sessions[0], client))
        finally:
            await runner.cleanup()
            sessions[0].close()
    asyncio.run(run())


def finals(messages: list[Message]) -> dict[str, Message]:
    """Return the last final estimate of each utterance."""
    return {m['utterance_id']: m for m in messages if m['type'] == 'estimate' and m['final']}


def test_only_who_knows_the_token_sees_the_page(recognizer: Recognizer, tmp_path: Path) -> None:
    async def check(live: Live) -> None:
        async def get(path: str, **headers: str) -> tuple[int, str, Any]:
            async with live.client.get(live.origin + path, headers=headers) as answer:
                return answer.status, await answer.text(), answer.headers

        good = f'/?token={live.server.token}'
        status, text, headers = await get(good)
        assert status == 200 and '&lt;b&gt;facts' in text and '//' not in headers['Server']
        assert "default-src 'none'" in headers['Content-Security-Policy']
        assert headers['Referrer-Policy'] == 'no-referrer'
        assert headers['Cache-Control'] == 'no-store'
        for path in ('/', '/?token=', '/?token=%C3%A4', good[:-1]):
            status, text, _ = await get(path)
            assert status == 403 and text.startswith(HTML_SENTENCE)
        assert (await get(good, Host='evil.example'))[0] == 403  # a name that leads here
        assert (await get('/live.js'))[0] == (await get('/capture.js'))[0] == 200
        assert (await get('/live.html'))[0] == 404
    with_live(recognizer, tmp_path, check)


@pytest.mark.parametrize('origin', ['http://evil.example', 'http://127.0.0.1:1', 'null', None])
def test_other_web_sites_get_no_connection(recognizer: Recognizer, tmp_path: Path,
                                           origin: str | None) -> None:
    async def check(live: Live) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await live.client.ws_connect(f'{live.origin}/socket', origin=origin,
                                         params={'token': live.server.token})
        assert refused.value.status == 403
    with_live(recognizer, tmp_path, check)


def test_a_second_tab_is_told_and_may_take_over(recognizer: Recognizer, tmp_path: Path) -> None:
    async def check(live: Live) -> None:
        async with live.tab('one') as first:
            assert (await first.receive())['type'] == 'hello'
            async with live.tab('two') as second:
                assert 'another tab' in (await second.receive())['text']
                assert (await second.socket.receive()).data == BUSY
            await first.wait(lambda message: message['type'] == 'health')  # it goes on
            async with live.tab('two', take_over='1') as second:
                assert (await second.receive())['type'] == 'hello'
                assert 'taken over' in (await first.wait(lambda m: m['type'] == 'taken'))['text']
                assert (await first.socket.receive()).data == TAKEN
    with_live(recognizer, tmp_path, check)


def test_a_page_connects_again_and_gets_what_it_missed(recognizer: Recognizer, tmp_path: Path
                                                       ) -> None:
    async def check(live: Live) -> None:
        async with live.tab() as tab:
            await live.play(tab, 3.0)
        # Its open utterance is finished although nobody listens.
        while not live.session.kept():
            await asyncio.sleep(0.02)
        async with live.tab() as tab:
            estimate = await tab.wait(lambda message: message['type'] == 'estimate')
            assert estimate['final'] and estimate['modalities'] == ['audio', 'face']
    with_live(recognizer, tmp_path, check)


@pytest.mark.parametrize(('data', 'words'), [
    (b'', 'expected a header'),
    (packet(7, 1.0, b'12'), 'kind 7'),
    (packet(AUDIO, float(2 ** 60), b'12', 16_000), 'microseconds'),
    (packet(AUDIO, 1.0, b'12', 100), 'sample rate 100 Hz'),
    (packet(AUDIO, 1.0, b'123', 16_000), '3 bytes'),
    (packet(AUDIO, 1.0, bytes(2 << 20), 16_000), 'at most 30 s'),
    (packet(IMAGE, 1.0, b'GIF89a'), 'no JPEG'),
    (packet(IMAGE, 1.0, b'\xff\xd8 and nothing'), 'no image that can be decoded'),
    ('what?', 'expected JSON'),
    ('{"type": "shutdown"}', 'a type of'),
    ('[' * 10_000, 'expected JSON')], ids=lambda value: repr(value)[:40])
def test_what_cannot_be_used_is_told_and_the_rest_goes_on(
        recognizer: Recognizer, tmp_path: Path, data: bytes | str, words: str) -> None:
    async def check(live: Live) -> None:
        async with live.tab() as tab:
            await (tab.socket.send_bytes(data) if isinstance(data, bytes)
                   else tab.socket.send_str(data))
            event = await tab.wait(lambda message: message['type'] == 'event')
            assert words in event['text']
            quiet = np.zeros(1600, '<i2').tobytes()
            await tab.socket.send_bytes(packet(AUDIO, 2.0, quiet, 16_000))
            health = await tab.wait(lambda m: m['type'] == 'health' and 'audio_hz' in m)
            assert 'muted' in health['problems'][0]
    with_live(recognizer, tmp_path, check)


def test_nothing_is_stored_unless_asked(recognizer: Recognizer, tmp_path: Path) -> None:
    async def check(live: Live) -> None:
        async with live.tab() as tab:
            await live.play(tab, 3.0)
            await tab.say('stop')
            await tab.wait(lambda message: message['type'] == 'estimate' and message['final'])
    with_live(recognizer, tmp_path / 'never', check)
    assert not (tmp_path / 'never').exists()


def test_a_recording_replays_to_the_same_estimates(recognizer: Recognizer, tmp_path: Path
                                                   ) -> None:
    seen: list[Message] = []

    async def check(live: Live) -> None:
        async with live.tab() as tab:
            await tab.say('record', on=True)
            path = (await tab.wait(lambda m: m['type'] == 'recording' and m['on']))['path']
            assert path == str(tmp_path / 'live-1')
            await live.play(tab, TWO_TURNS_S + 0.6)  # with the silence after them
            for _ in range(2):
                await tab.wait(lambda m: m['type'] == 'estimate' and m['revision'])
            await tab.say('record', on=False)
            await tab.say('stop')
            await tab.wait(lambda m: m['type'] == 'recording' and not m['on'])
            seen.extend(tab.seen)
    with_live(recognizer, tmp_path, check, add_prompter())
    replayed = replay_bag(tmp_path / 'live-1', ReplayOptions(), recognizer=recognizer).estimates
    shown = [{key: value for key, value in message.items() if key != 'type'}
             for message in finals(seen).values()]
    replayed = finals([{'type': 'estimate', **row} for row in replayed])
    assert shown == [{key: row[key] for key in shown[0]} for row in replayed.values()]
    assert [row['transcript'] for row in shown] == [
        'The office called me at nine this morning.', 'I got the job, I am so happy!']
    assert {m['speaker'] for m in seen if m['type'] == 'faces'} == {'', 'face1'}


def test_a_port_that_is_taken_is_named(recognizer: Recognizer, tmp_path: Path) -> None:
    async def check(live: Live) -> None:
        other = LiveServer(lambda server: live.session, PageFacts('camera', 'mmer live'))
        with pytest.raises(InvalidInput, match=f'--port {live.server.port}: another program'):
            await other.listen(live.server.port)
        other = LiveServer(lambda server: live.session, PageFacts('camera', 'mmer live'))
        runner = await other.listen(live.server.port, exactly=False)
        assert other.port not in (0, live.server.port)
        await runner.cleanup()
    with_live(recognizer, tmp_path, check)
