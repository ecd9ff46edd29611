"""Reports on /diagnostics, once a second, in whatever state the node is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mmer_ros.nodes.health.checks import Report
from mmer_ros.nodes.outputs.sending import send
from mmer_ros.nodes.runtime.event_log import EventLog
from rclpy.node import Node

TOPIC = '/diagnostics'
PERIOD_S = 1.0
WAIT_S = 2.0  # for the thread, when the node is destroyed


class Diagnostics:
    """
    Publish what `reports` returns; tell in the log what of it goes wrong, and when it ends.

    It has a thread of its own, so that it goes on while a transition takes its time.
    """

    def __init__(self, node: Node, reports: Callable[[], Sequence[Report]],
                 events: EventLog) -> None:
        """Begin."""
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
        self._thread.join(WAIT_S)

    def _work(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            try:
                self._publish(self._reports())
            except Exception as error:  # of this, nobody may notice anything else
                self._events.add('diagnostics', f'diagnostics: {type(error).__name__}: {error}')

    def _publish(self, reports: Sequence[Report]) -> None:
        self._log(reports)
        self._events.tick()
        name = self._node.get_fully_qualified_name().lstrip('/')
        message = DiagnosticArray(status=[_to_status(name, report) for report in reports])
        message.header.stamp = self._node.get_clock().now().to_msg()
        send(self._node, self._publisher, message)

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
