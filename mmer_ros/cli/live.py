# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer live`: camera and microphone of the browser, or a running node, on one page."""

from __future__ import annotations

import argparse
import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
import webbrowser

from mmer_ros.asr import AsrOptions, load_speech_recognizer, SpeechRecognizer
from mmer_ros.cli.asr_options import add_asr_options, given_asr
from mmer_ros.cli.console import print_line
from mmer_ros.cli.monitor import run_ros_command
from mmer_ros.cli.settings_options import add_settings, given_settings, NAMES
from mmer_ros.onnx_graphs import use_threads
from mmer_ros.types import InvalidInput
from rich.console import Console

if TYPE_CHECKING:
    from mmer_ros.live.page import PageFacts
    from mmer_ros.recognition.recognizer import Recognizer

NEEDED = "live: aiohttp is not installed; pip install 'mmer_ros[live]'"
EXIT_CODES = 'exit code: 0 ended by the user; 2 not possible'
SETTINGS = (*NAMES, 'partial_rate')
UNTRAINED = ('The bundle {name} is not trained: its answers are chance. Give a trained one with '
             '--bundle.')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer live`."""
    parser.epilog = EXIT_CODES
    parser.add_argument('--port', type=_port, default=None, metavar='PORT', help=(
        'on this computer; 0: any that is free (default: 8765, or a free one if that is taken)'))
    parser.add_argument('--no-browser', action='store_true', help=(
        'only print the address; do not open a browser'))
    parser.add_argument('--recordings', type=Path, default=Path(), metavar='DIR', help=(
        'where recordings are made when you press Record (default: the current folder)'))
    add_asr_options(parser)
    add_settings(parser, SETTINGS)
    ros = parser.add_argument_group('a running node, instead of camera and microphone')
    ros.add_argument('--ros', action='store_true', help=(
        'show the estimates, the debug image and the health of a running node (needs ROS 2)'))
    ros.add_argument('--topic', default='emotion', help='of the estimates (default: %(default)s)')
    ros.add_argument('--node', default='emotion',
                     help='name of the emotion node (default: %(default)s)')
    ros.add_argument('--namespace', default='', help='in which topic and node are looked for')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    if find_spec('aiohttp') is None:
        raise InvalidInput(NEEDED)
    if options.ros:
        if options.transcribe:
            raise InvalidInput('--transcribe: with --ros the page shows the words that the node '
                               'gets; leave it out, or give the node a transcript_topic')
        return run_ros_command('live', options)
    from mmer_ros.live.app import serve
    from mmer_ros.live.server import DEFAULT_PORT, LiveServer
    from mmer_ros.live.session import Session, SessionOptions
    from mmer_ros.recognition.recognizer import Recognizer
    given_settings(options, SETTINGS)
    asr = given_asr(options)
    use_threads(options.threads)
    recognizer = Recognizer.load(options.bundle, device=options.device, prior=options.prior,
                                 engine=options.engine)
    speech = load_speech_recognizer(asr) if asr else None
    sessions: list[Session] = []

    def make_session(server: LiveServer) -> Session:
        sessions.append(Session(
            recognizer, SessionOptions(options.partial_rate, options.recordings),
            send=server.send, clock=console.get_time, speech=speech))
        return sessions[0]

    try:
        asyncio.run(serve(
            make_session, page_facts(recognizer, asr, speech), one_tab=True,
            port=DEFAULT_PORT if options.port is None else options.port,
            exactly=options.port is not None,
            on_ready=lambda url: announce(console, url, opens=not options.no_browser)))
    finally:
        for session in sessions:
            session.close()
    return 0


def announce(console: Console, url: str, *, opens: bool) -> None:
    """Print the address of the page, and open it."""
    print_line(console, url, 'mmer live:', 'bold')
    console.print('Open it in a browser on this computer; keep it to yourself, it holds a token. '
                  'Ctrl-C ends it.', highlight=False)
    if opens:
        webbrowser.open(url)


def page_facts(recognizer: Recognizer, asr: AsrOptions | None, speech: SpeechRecognizer | None
               ) -> PageFacts:
    """Return what the page says of the recogniser."""
    from mmer_ros.live.page import PageFacts
    bundle = recognizer.config
    words = f'words by {Path(asr.model).name}' if asr else 'no words: start with --transcribe'
    return PageFacts(
        'camera', 'mmer live', (f'bundle {bundle.name}', recognizer.device, words),
        '' if bundle.trained else UNTRAINED.format(name=bundle.name), speech is not None)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 1 << 16:
        raise argparse.ArgumentTypeError(f'{text}: expected a port from 0 to 65535')
    return port
