# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer monitor`: the running graph in the terminal."""

from __future__ import annotations

import argparse
from importlib.metadata import entry_points

from mmer_ros.types import InvalidInput
from rich.console import Console

GROUP = 'mmer_ros.ros_commands'  # entry points that need ROS, which this room does not know
EXIT_CODES = ('exit code: 0 ended by the user, or with --once: estimates come; 1 none came; '
              '2 not possible')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer monitor`."""
    parser.epilog = EXIT_CODES
    parser.set_defaults(run=run)
    parser.add_argument('--topic', default='emotion', help='of the estimates')
    parser.add_argument('--node', default='emotion', help='name of the emotion node')
    parser.add_argument('--namespace', default='', help='in which topic and node are looked for')
    parser.add_argument('--all', action='store_true', help='also the health of other nodes')
    parser.add_argument('--once', action='store_true', help=(
        'print one snapshot and end, with an exit code; the default if the output is not a '
        'terminal'))
    parser.add_argument('--wait', type=_seconds, default=10.0, metavar='SECONDS', help=(
        'with --once: longest time to wait for an estimate (%(default)g)'))


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    return run_ros_command('monitor', options)


def run_ros_command(name: str, options: argparse.Namespace) -> int:
    """
    Run what is registered for a command that needs ROS, and return its exit code.

    :raises InvalidInput: if there is no ROS.
    """
    for command in entry_points(group=GROUP, name=name):
        try:
            run_it = command.load()
        except ImportError as error:
            raise InvalidInput(
                f'{name}: ROS 2 or mmer_msgs cannot be imported ({error}); source the setup file '
                'of ROS 2 and that of the workspace first') from error
        code: int = run_it(options, ['mmer', *getattr(options, 'ros_arguments', [])])
        return code
    raise InvalidInput(f'{name}: nothing is registered in the entry points {GROUP!r}; install '
                       'mmer_ros again')


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f'{text}: expected seconds >= 0')
    return seconds
