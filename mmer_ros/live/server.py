# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The server of `mmer live`: one page, its scripts and a WebSocket, on this computer only.

Who knows the token may connect; browsers also have to come from the page itself, so that no other
web site can use camera, microphone or estimates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
import errno
import hmac
import json
import secrets
from typing import Protocol
from urllib.parse import urlsplit

from aiohttp import web, WSCloseCode, WSMsgType
from mmer_ros.live.messages import (
    event_message,
    MAX_PACKET,
    Message,
    Packet,
    read_command,
    read_packet,
)
from mmer_ros.live.page import file_text, page_text, PageFacts
from mmer_ros.types import InvalidInput

HOST = '127.0.0.1'
DEFAULT_PORT = 8765
LOOPBACK = ('127.0.0.1', 'localhost', '::1')
BUSY, TAKEN = 4001, 4002  # close codes: another tab has the camera; another tab has taken it
BUSY_TEXT = 'mmer live is open in another tab, which goes on. Close that tab, or use it here'
TAKEN_TEXT = 'Another tab has taken over. Reload this page to use it here'
REFUSED = ('This page needs the address that mmer live printed in the terminal: it ends with a '
           'token. Copy it from there.\n')
HEADERS = {
    'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer', 'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    'Permissions-Policy': 'camera=(self), microphone=(self), geolocation=()'}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "
          "img-src blob: data:; media-src blob:; connect-src 'self' ws://{host}; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
GONE_S = 3.0  # a page that connects again within this time goes on where it was
REPORT_S = 1.0  # between two reports of the health
MOST_WAITING = 500  # messages for a page that does not take them
PASSING = ('faces', 'health')  # the next one says it again


class Source(Protocol):
    """What is behind the page: a session with camera and microphone, or a node that runs."""

    def receive(self, packet: Packet) -> None:
        """Take audio or an image."""

    def start(self) -> None:
        """Begin a new stream."""

    def pause(self) -> None:
        """Finish what is open: the page has stopped, or is gone."""

    def reset(self) -> None:
        """Forget the dialogue."""

    def record(self, on: bool) -> None:
        """Begin or end a recording."""

    def recording_message(self) -> Message:
        """Return whether a recording is being made."""

    def kept(self) -> list[Message]:
        """Return what a page that connects is given first."""

    def report(self) -> Message:
        """Return the health."""


@dataclass
class _Tab:
    """A page that is connected; messages wait here until it takes them."""

    page: str  # the same when a page connects again
    socket: web.WebSocketResponse
    waiting: asyncio.Queue[str | bytes | None] = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def put(self, data: str | bytes, *, passing: bool) -> None:
        if self.waiting.full():
            if passing:
                return
            self.waiting.get_nowait()
        self.waiting.put_nowait(data)

    async def send(self) -> None:
        """Send what waits, until the end is in the queue."""
        while (data := await self.waiting.get()) is not None:
            with suppress(ConnectionError):
                await (self.socket.send_bytes(data) if isinstance(data, bytes)
                       else self.socket.send_str(data))


class LiveServer:
    """
    Serves the page, and passes messages between it and a source.

    :param make_source: makes the source; it is given this server, whose `send` may be called
        from any thread.
    :param one_tab: only one page at a time, as there is one microphone.
    :param token: part of the address; None: a new one.
    """

    def __init__(self, make_source: Callable[[LiveServer], Source], facts: PageFacts, *,
                 one_tab: bool = True, token: str | None = None) -> None:
        self.token = token or secrets.token_urlsafe(18)
        self.port = 0
        self._facts = facts
        self._one_tab = one_tab
        self._tabs: list[_Tab] = []
        self._loop = asyncio.get_running_loop()
        self._source = make_source(self)
        self._tasks: list[asyncio.Task[None]] = []
        self.app = web.Application(middlewares=[self._check])
        self.app.add_routes([
            web.get('/', self._page), web.get('/socket', self._socket),
            web.get('/{name:live.js|capture.js}', self._file)])
        self.app.on_startup.append(self._start)
        self.app.on_shutdown.append(self._stop)

    @property
    def url(self) -> str:
        """Address of the page, with the token."""
        return f'http://{HOST}:{self.port}/?token={self.token}'

    def send(self, message: Message | bytes) -> None:
        """Send a message to the pages; from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put, message)

    async def listen(self, port: int, *, exactly: bool = True) -> web.AppRunner:
        """
        Begin to serve.

        :param port: 0: any that is free.
        :param exactly: False: another port if this one is taken.
        :raises InvalidInput: if the port is taken.
        """
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, HOST, port).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE or exactly:
                    raise
                await web.TCPSite(runner, HOST, 0).start()
        except OSError as error:
            await runner.cleanup()
            reason = ('another program uses it' if error.errno == errno.EADDRINUSE
                      else error.strerror or type(error).__name__)
            raise InvalidInput(f'--port {port}: {reason}; give another one, or 0 for any that is '
                               'free') from error
        self.port = runner.addresses[0][1]
        return runner

    # -------------------------------------------------------------------------------- requests

    @web.middleware
    async def _check(self, request: web.Request,
                     handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
                     ) -> web.StreamResponse:
        """Answer only pages of this computer; scripts hold no secret and need no token."""
        if urlsplit(f'//{request.host}').hostname not in LOOPBACK:
            raise web.HTTPForbidden(text=REFUSED)
        if request.path in ('/', '/socket') and not self._knows_token(request):
            raise web.HTTPForbidden(text=REFUSED)
        return await handler(request)

    def _knows_token(self, request: web.Request) -> bool:
        given = request.query.get('token', '')
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(
            text=page_text(self._facts), content_type='text/html',
            headers={**HEADERS, 'Content-Security-Policy': POLICY.format(host=request.host)})

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(text=file_text(request.match_info['name']),
                            content_type='text/javascript', headers=HEADERS)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        if request.headers.get('Origin') != f'http://{request.host}':
            raise web.HTTPForbidden(text=REFUSED)
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=MAX_PACKET)
        await socket.prepare(request)
        page = request.query.get('page', '')
        others = any(tab.page != page for tab in self._tabs)
        if self._one_tab and others and 'take_over' not in request.query:
            await socket.send_json({'type': 'busy', 'text': BUSY_TEXT})
            await socket.close(code=BUSY, message=b'another tab')
            return socket
        if self._one_tab:
            await self._dismiss()
        await self._serve(_Tab(page, socket))
        return socket

    async def _dismiss(self) -> None:
        for tab in self._tabs[:]:
            self._tabs.remove(tab)
            with suppress(ConnectionError):
                await tab.socket.send_json({'type': 'taken', 'text': TAKEN_TEXT})
                await tab.socket.close(code=TAKEN, message=b'taken over')

    async def _serve(self, tab: _Tab) -> None:
        self._tabs.append(tab)
        for first in ({'type': 'hello'}, self._source.recording_message(), *self._source.kept()):
            tab.put(json.dumps(first), passing=False)
        sender = asyncio.create_task(tab.send())
        try:
            async for message in tab.socket:
                if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                    self._take(message.data)
        finally:
            if tab in self._tabs:
                self._tabs.remove(tab)
                self._loop.call_later(GONE_S, self._pause_if_gone)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender

    def _pause_if_gone(self) -> None:
        if not self._tabs:
            self._source.pause()

    def _take(self, data: str | bytes) -> None:
        try:
            if isinstance(data, bytes):
                self._source.receive(read_packet(data))
                return
            command = read_command(data)
            kind = command['type']
            if kind == 'record':
                self._source.record(bool(command.get('on')))
            elif kind == 'reset':
                self._source.reset()
            elif kind == 'start':
                self._source.start()
            elif kind == 'stop':
                self._source.pause()
        except InvalidInput as error:
            self._put(event_message('packet', str(error)))

    # ---------------------------------------------------------------------------- of the loop

    def _put(self, message: Message | bytes) -> None:
        passing = isinstance(message, bytes) or message['type'] in PASSING
        data = message if isinstance(message, bytes) else json.dumps(message)
        for tab in self._tabs:
            tab.put(data, passing=passing)

    async def _start(self, _: web.Application) -> None:
        self._tasks.append(asyncio.create_task(self._report()))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._put(self._source.report())

    async def _stop(self, _: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        for tab in self._tabs[:]:
            await tab.socket.close(code=WSCloseCode.GOING_AWAY, message=b'mmer live has ended')
