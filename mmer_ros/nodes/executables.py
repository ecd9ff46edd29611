# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The executables: start a node, and end it quickly and quietly after a signal.

    python -m mmer_ros.nodes.executables segmenter --ros-args -p source:=kitchen
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import faulthandler
from importlib import import_module
import logging
import os
import sys
import threading
from typing import NoReturn, TYPE_CHECKING

from mmer_ros.nodes.middleware import plain, prepare_lossy_network
from mmer_ros.nodes.runtime.stop_signals import StopSignals

if TYPE_CHECKING:
    from mmer_ros.nodes.managed_node import ManagedNode

DESTROY_S = 30.0  # a node takes far less to be destroyed, on a busy computer as well
CLASSES = {  # executable: module and class of its node
    'emotion': ('mmer_ros.nodes.emotion_node', 'EmotionNode'),
    'segmenter': ('mmer_ros.nodes.segmenter_node', 'SegmenterNode'),
    'estimator': ('mmer_ros.nodes.estimator_node', 'EstimatorNode'),
}


def main(name: str, arguments: list[str] | None = None) -> int:
    """
    Run a node until a signal stops it, and return the exit code.

    SIGINT and SIGTERM end it: the open utterance is estimated and published first. Modules that
    take seconds to import are imported here, so that they are obeyed in the meantime.

    :param name: 'emotion', 'segmenter' or 'estimator'.
    :param arguments: of the process, its own name first.
    :return: 0 after a signal; 2 if the arguments or the parameters cannot be used.
    """
    try:
        signals = StopSignals()
        with signals.awaited():
            return _run(name, arguments, signals)
    except KeyboardInterrupt:
        return 0


def _run(name: str, arguments: list[str] | None, signals: StopSignals) -> int:
    if name != 'emotion':
        prepare_lossy_network(os.environ)
    module, node_class = CLASSES[name]
    make = getattr(import_module(module), node_class)
    from mmer_ros.nodes.parameters import useless_files
    import rclpy
    from rclpy.exceptions import ParameterException
    from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
    try:
        rclpy.init(args=arguments, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    except (rcl.RCLError, rcl.UnknownROSArgsError) as error:  # e.g. a file that is no YAML
        said = plain(error)
        remedy = '; set ROS_LOG_DIR to a folder that may be written' * ('log directory' in said)
        print(f'mmer_ros: arguments: {said}{remedy}', file=sys.stderr)
        return 2
    try:
        node = make()
        for warning in useless_files(arguments or sys.argv, node.get_fully_qualified_name()):
            node.get_logger().warning(warning)
        try:
            _spin(node, signals)
        finally:
            with ended_within(DESTROY_S):
                node.destroy_node()
    except ParameterException as error:
        rclpy.logging.get_logger('mmer_ros').fatal(f'{error}; see docs/parameters.md')
        return 2
    finally:
        rclpy.try_shutdown()
    return 0


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    """
    End the process if what is done inside takes too long, even in native code.

    Fast DDS 2.14 has rarely waited for ever for a callback of its own while a node was destroyed;
    neither a signal handler of Python nor another thread comes to its turn then.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _spin(node: ManagedNode, signals: StopSignals) -> None:
    """Start a node, spin it until a signal stops it, and finish its open utterance."""
    from mmer_ros.nodes.managed_node import SUCCESS
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    if node.get_parameter('autostart').value:
        if node.trigger_configure() == SUCCESS:
            node.trigger_activate()
    told_to_stop = threading.Event()
    signals.stop = node.create_guard_condition(told_to_stop.set).trigger
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:  # not spin_until_future_complete: it adds a callback to the future at each message
        while node.context.ok() and not told_to_stop.is_set():
            executor.spin_once()
    except ExternalShutdownException:
        return
    if told_to_stop.is_set():
        node.finish()


def run(name: str, arguments: list[str] | None = None) -> NoReturn:
    """
    Run a node as a process, like `main`, and end the process.

    The process ends as soon as the node has. Python would take seconds to tear down the modules
    of torch and would wait for a thread that is deep in a network.
    """
    code = main(name, arguments or sys.argv)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def emotion() -> NoReturn:
    """Run the node `emotion`: sensors in, estimates out."""
    run('emotion')


def segmenter() -> NoReturn:
    """Run the node `segmenter`: sensors in, utterance parts out."""
    run('segmenter')


def estimator() -> NoReturn:
    """Run the node `estimator`: utterance parts in, estimates out."""
    run('estimator')


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1] not in CLASSES:
        sys.exit(f'expected one of {", ".join(CLASSES)} as the first argument')
    run(sys.argv[1], [sys.argv[0], *sys.argv[2:]])
