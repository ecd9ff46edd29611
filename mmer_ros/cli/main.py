# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The `mmer` command: emotions in files and recordings, and bundles; needs no ROS."""

from __future__ import annotations

import argparse
from importlib import import_module
import logging
import os
import sys

from mmer_ros import __version__
from mmer_ros.cli.console import print_line
from mmer_ros.recordings.disk import describe_os_error
from mmer_ros.types import InvalidInput
from rich.console import Console
from rich.logging import RichHandler

BAD_INPUT, INTERNAL_ERROR, INTERRUPTED = 2, 4, 130
EXIT_CODES = ('exit code: 0 good; 1 nothing was estimated; 2 bad input; 3 a part of the input was '
              'left out; 4 a fault of the program')
ROS_ARGUMENTS = '--ros-args'
TRACEBACK_VARIABLE = 'MMER_TRACEBACK'
# name -> what it does, and the function that adds its arguments; only that of the command which
# is run is imported, since most need torch
COMMANDS = {
    'recognize': ('estimate the emotions of the utterances in audio or video files',
                  'mmer_ros.cli.recognize', 'add_arguments'),
    'live': ('show the emotions of people before the camera of this computer, on a page',
             'mmer_ros.cli.live', 'add_arguments'),
    'replay': ('estimate and evaluate from recordings (rosbag2), as the live node would',
               'mmer_ros.cli.replay', 'add_arguments'),
    'compare': ('set two replays of the same recordings side by side, e.g. of two bundles',
                'mmer_ros.cli.compare', 'add_arguments'),
    'meld2bag': ('turn the clips of MELD into recordings (rosbag2), one for each dialogue',
                 'mmer_ros.cli.meld2bag', 'add_arguments'),
    'monitor': ('show the estimates and the health of a running node (needs ROS 2)',
                'mmer_ros.cli.monitor', 'add_arguments'),
    'policy': ('print the SROS2 policy for robots with namespaces',
               'mmer_ros.cli.policy', 'add_arguments'),
    'create-bundle': ('write an untrained bundle to a folder',
                      'mmer_ros.cli.bundles', 'add_create_arguments'),
    'export': ('write graphs into a bundle, so that ONNX Runtime can run it (needs torch, onnx)',
               'mmer_ros.cli.bundles', 'add_export_arguments'),
    'inspect': ('check a bundle and print what it is',
                'mmer_ros.cli.bundles', 'add_inspect_arguments'),
}


def main(arguments: list[str] | None = None) -> int:
    """
    Run the command and return its exit code.

    :return: as in EXIT_CODES.
    """
    given = sys.argv[1:] if arguments is None else arguments
    given, ros_arguments = _apart(given)
    options = _parser(given[0] if given else '').parse_args(given)
    options.ros_arguments = ros_arguments
    console = Console(stderr=True)
    logging.basicConfig(format='%(message)s', handlers=[RichHandler(
        console=console, show_time=False, show_path=False)])
    try:
        code: int = options.run(options, console)
        return code
    except InvalidInput as error:
        return _fail(console, str(error), BAD_INPUT)
    except KeyboardInterrupt:
        console.print('interrupted; what was estimated so far is kept')
        return INTERRUPTED
    except BrokenPipeError:  # as with `mmer recognize ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _fail(console, describe_os_error(error), BAD_INPUT)
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _fail(console, f'{type(error).__name__}: {error}. This is a fault of mmer; please '
                     f'report it with what {TRACEBACK_VARIABLE}=1 shows', INTERNAL_ERROR)


def _apart(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the arguments of a command, and what is meant for the node that it starts."""
    if arguments[:1] not in (['monitor'], ['live']) or ROS_ARGUMENTS not in arguments:
        return arguments, []
    begin = arguments.index(ROS_ARGUMENTS)
    return arguments[:begin], arguments[begin:]


def _fail(console: Console, text: str, code: int) -> int:
    print_line(console, text, 'error:', 'bold red')
    return code


def replay_main() -> int:
    """Run `mmer replay`, for `ros2 run mmer_ros replay`."""
    arguments = sys.argv[1:]
    if ROS_ARGUMENTS in arguments:  # what follows is meant for nodes
        arguments = arguments[:arguments.index(ROS_ARGUMENTS)]
    return main(['replay', *arguments])


def _parser(command: str) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of one command."""
    parser = argparse.ArgumentParser(prog='mmer', description=__doc__, epilog=EXIT_CODES)
    parser.add_argument('--version', action='version', version=__version__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, (purpose, module, add_arguments) in COMMANDS.items():
        own = commands.add_parser(name, help=purpose)
        if name == command:
            getattr(import_module(module), add_arguments)(own)
    return parser


if __name__ == '__main__':
    sys.exit(main())
