# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Runs the server of `mmer live` until the user ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
import signal

from mmer_ros.live.page import PageFacts
from mmer_ros.live.server import LiveServer, Source

MakeSource = Callable[[LiveServer], Source]


async def serve(make_source: MakeSource, facts: PageFacts, *, port: int, exactly: bool,
                one_tab: bool, on_ready: Callable[[str], object]) -> None:
    """
    Serve the page until SIGINT or SIGTERM.

    :param port, exactly: as of LiveServer.listen, which may raise InvalidInput.
    :param on_ready: takes the address of the page.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = LiveServer(make_source, facts, one_tab=one_tab)
    runner = await server.listen(port, exactly=exactly)
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has none
            loop.add_signal_handler(number, stopped.set)
    try:
        on_ready(server.url)
        await stopped.wait()
    finally:
        await runner.cleanup()
