# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Publication of the health reports on /diagnostics, once per second in every state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.checks import Report
from mmer_ros.nodes.outputs.publishing import publish_message
from mmer_ros.runtime.internal_error import describe_error
from rclpy.node import Node

TOPIC = '/diagnostics'
PERIOD_S = 1.0
JOIN_S = 2.0  # time for the thread to end when the node is destroyed


class Diagnostics:
    """
    Publish reports, and log each problem when it starts and when it clears.

    A thread of its own keeps the reports coming while a transition or a callback takes long.

    :param reports: returns the present reports.
    """

    def __init__(self, node: Node, reports: Callable[[], Sequence[Report]],
                 events: EventLog) -> None:
        self._node = node
        self._reports = reports
        self._events = events
        self._held: set[str] = set()
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, 10)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name='diagnostics', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(JOIN_S)

    def _work(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            try:
                self._publish(self._reports())
            except Exception as error:  # nothing else would notice that this thread has ended
                self._events.report('diagnostics',
                                    f'diagnostics: {describe_error(error)}')

    def _publish(self, reports: Sequence[Report]) -> None:
        self._log(reports)
        self._events.tick()
        name = self._node.get_fully_qualified_name().lstrip('/')
        message = DiagnosticArray(status=[_to_status(name, report) for report in reports])
        message.header.stamp = self._node.get_clock().now().to_msg()
        publish_message(self._node, self._publisher, message)

    def _log(self, reports: Sequence[Report]) -> None:
        found = {f'{report.name}_{problem.key}': f'{report.name}: {problem.text}'
                 for report in reports for problem in report.problems if problem.key}
        for kind, text in found.items():
            self._events.hold(kind, text)
        for kind in self._held - found.keys():
            self._events.clear(kind)
        self._held = set(found)


def _to_status(name: str, report: Report) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=bytes([report.level]), name=f'{name}: {report.name}', message=report.message,
        hardware_id=name,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()])
