# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Show estimates and health of a running node in the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.cli.monitor import add_arguments, EXIT_CODES
from mmer_ros.monitor.state import Graph, Health, MonitorState
from mmer_ros.monitor.view import MonitorView
from mmer_ros.nodes.middleware import plain
from mmer_ros.nodes.tools.playback import spinning
from mmer_ros.nodes.tools.watch import to_row
import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as rcl
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from rclpy.validate_topic_name import validate_topic_name
from rich.console import Console
from rich.live import Live

REFRESH_S = 0.25
LOOK_S = 1.0  # between two looks at the graph
ANSWER_S = 3.0  # time for the node to answer a request for its state
HEALTH_S = 1.5  # longest wait for a health report, which comes once per second
ESTIMATE = 'mmer_msgs/msg/EmotionEstimate'


class Monitor(Node):
    """
    Update a MonitorState from topics, services and the graph.

    :param topic: topic of the estimates.
    :param emotion_node: node whose lifecycle state is shown.
    :raises NameValidationException: if a name is not valid in ROS.
    """

    def __init__(self, *, topic: str = 'emotion', emotion_node: str = 'emotion',
                 show_all: bool = False, **kwargs: Any) -> None:
        for name in (topic, emotion_node):
            validate_topic_name(name)
        super().__init__(f'monitor_{os.getpid()}', start_parameter_services=False, **kwargs)
        self.state = MonitorState(self.resolve_topic_name(topic),
                                  self.resolve_service_name(emotion_node), show_all)
        self._lifecycle = ''
        self._asked_at = 0.0
        self._answer: Any = None
        self._looked_at = 0.0
        self._client = self.create_client(GetState, f'{self.state.node}/get_state')
        self.create_subscription(EmotionEstimate, topic, self._on_estimate, 50)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)

    def view(self, look: bool = False) -> MonitorView:
        """
        Return the present view.

        :param look: look at the graph again even if the last look was just now.
        """
        now = time.monotonic()
        if look or now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self.state.graph = self._look(now)
        return MonitorView(self.state, now)

    def _on_estimate(self, message: EmotionEstimate) -> None:
        self.state.add_estimate(to_row(message), time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else status.level
            values = tuple((pair.key, pair.value) for pair in status.values)
            self.state.add_health(
                Health(status.name, level, status.message, values, time.monotonic()))

    def _look(self, now: float) -> Graph:
        nodes = {f'{namespace.rstrip("/")}/{name}'
                 for name, namespace in self.get_node_names_and_namespaces()}
        nodes.discard(self.get_fully_qualified_name())
        publishers = self.get_publishers_info_by_topic(self.state.topic)
        return Graph(
            lifecycle=self._ask(now) if self.state.node in nodes else None,
            publishers=tuple(sorted({f'{p.node_namespace.rstrip("/")}/{p.node_name}'
                                     for p in publishers if p.topic_type == ESTIMATE})),
            foreign_types=tuple(sorted({p.topic_type for p in publishers} - {ESTIMATE})),
            others=sum(not name.rsplit('/', 1)[1].startswith('_') for name in nodes),
            settings=(('ROS_DOMAIN_ID', str(self.context.get_domain_id())),
                      ('ROS_AUTOMATIC_DISCOVERY_RANGE',
                       os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')),
                      ('RMW_IMPLEMENTATION', rclpy.get_rmw_implementation_identifier())))

    def _ask(self, now: float) -> str:
        """Return the latest known lifecycle state of the emotion node, and request the next."""
        if self._answer is not None and self._answer.done():
            self._lifecycle, self._answer = self._answer.result().current_state.label, None
        elif self._answer is not None and now - self._asked_at > ANSWER_S:
            self._client.remove_pending_request(self._answer)
            self._lifecycle, self._answer = '', None
        if not self._client.service_is_ready():
            self._lifecycle = ''
        elif self._answer is None:
            self._answer = self._client.call_async(GetState.Request())
            self._asked_at = now
        return self._lifecycle


@contextmanager
def monitoring() -> Iterator[Monitor]:
    """Keep a monitor up to date in the background while the block runs."""
    context = rclpy.Context()
    context.init()
    monitor = Monitor(context=context)
    with spinning(context, monitor):
        yield monitor


def show(monitor: Monitor, executor: Executor, console: Console) -> int:
    """Show the state until the user ends it; a new terminal size applies at the next refresh."""
    with Live(monitor.view(), console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(monitor.view(), refresh=True)
            _spin(executor, REFRESH_S)


def snapshot(monitor: Monitor, executor: Executor, console: Console, wait_s: float) -> int:
    """Wait for an estimate and briefly for health, and print both; 1 without an estimate."""
    state = monitor.state
    _spin_until(lambda: state.estimates > 0, monitor, executor, wait_s)
    if state.estimates or state.graph.publishers:
        _spin_until(lambda: bool(state.health(time.monotonic())), monitor, executor, HEALTH_S)
    console.print(monitor.view(look=True))
    return 0 if state.estimates else 1


def _spin_until(condition: Callable[[], bool], monitor: Monitor, executor: Executor,
                timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition() and (left := end - time.monotonic()) > 0:
        monitor.view()
        _spin(executor, min(REFRESH_S, left))


def _spin(executor: Executor, duration_s: float) -> None:
    end = time.monotonic() + duration_s
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


@contextmanager
def _running(options: argparse.Namespace, ros_arguments: list[str]
             ) -> Iterator[tuple[Monitor, Executor]]:
    """Make the node, and whatever ends the block, leave nothing of it."""
    rclpy.init(args=ros_arguments)
    try:
        executor = SingleThreadedExecutor()
        monitor = Monitor(topic=options.topic, emotion_node=options.node, show_all=options.all,
                          namespace=options.namespace or None)
        executor.add_node(monitor)
        try:
            yield monitor, executor
        except Exception as error:  # rclpy raises several kinds when a signal ended its context
            if rclpy.ok():
                raise
            raise KeyboardInterrupt from error
        finally:
            executor.shutdown()
            monitor.destroy_node()
    finally:
        rclpy.try_shutdown()


def run(options: argparse.Namespace, ros_arguments: list[str] | None = None) -> int:
    """
    Run `mmer monitor` and return its exit code.

    :param options: as mmer_ros.cli.monitor.add_arguments adds them.
    """
    console = Console()
    try:
        with _running(options, ros_arguments or []) as (monitor, executor):
            if options.once or not console.is_terminal:
                return snapshot(monitor, executor, console, options.wait)
            return show(monitor, executor, console)
    except (NameValidationException, rcl.RCLError, rcl.UnknownROSArgsError) as error:
        console.print(plain(error), style='bold red', highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:
        return 1 if options.once else 0


def main(arguments: list[str] | None = None) -> int:
    """Run `ros2 run mmer_ros monitor` and return its exit code."""
    given = arguments or sys.argv
    parser = argparse.ArgumentParser(prog='monitor', description=__doc__, epilog=EXIT_CODES)
    add_arguments(parser)
    return run(parser.parse_args(remove_ros_args(given)[1:]), given)


if __name__ == '__main__':
    sys.exit(main())
