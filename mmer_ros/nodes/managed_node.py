# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The part that all nodes share: lifecycle, parameters, services, health."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
import time
from typing import Any, ClassVar, Protocol

from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.checks import Report
from mmer_ros.nodes.health.diagnostics import Diagnostics
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.health.process_usage import release_memory
from mmer_ros.nodes.health.reports import Reporter, Status
from mmer_ros.nodes.parameters import NodeParameters
from mmer_ros.nodes.runtime.session import clock_seconds
from mmer_ros.onnx_graphs import use_threads
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.runtime.inbox import Inbox
from mmer_ros.settings import HealthLimits, NodeSettings
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
FINISH_S = 3.0  # time for the open utterance after a signal to stop
RECEIVED_S = 0.5  # time for subscribers to receive what was published last
STOP_S = 1.2  # time for the worker to end its step after a signal to stop


class ActiveSession(Protocol):
    """The inputs and the worker of an active node, such as session.Session."""

    inbox: Inbox
    inputs: Any  # None while it does not listen

    def start(self) -> None:
        """Start the worker."""

    def listen(self) -> None:
        """Subscribe to the inputs."""

    def pause(self) -> None:
        """Unsubscribe and finish the open utterance."""

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """Unsubscribe and stop the worker."""

    def tick(self) -> None:
        """Run periodic checks; called about once per second."""


class ManagedNode(LifecycleNode):
    """
    A managed node around a part of the core.

    Unconfigured it holds nothing; inactive it holds the models; active it subscribes, processes
    and publishes. Bad input is logged and skipped; it never ends the node.

    :param name: 'emotion', 'segmenter' or 'estimator'; decides which parameters it has.
    """

    settings_model: ClassVar[type[NodeSettings]] = NodeSettings

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._declared = NodeParameters(self, name, self.settings_model)
        for warning in self._declared.unknown():
            self.get_logger().warning(warning)
        self._settings = self._declared.unchecked()  # those of the last transition to configure
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.add_post_set_parameters_callback(self._after_set_parameters)
        self._events = EventLog(lambda text: self.get_logger().warning(text),
                                lambda text: self.get_logger().info(text))
        self._meter = Meter(self._declared.limits().window_s, lambda: clock_seconds(self))
        self._session: ActiveSession | None = None
        self._enabled = True
        self._failure = ''
        self._own_changes: set[str] = set()  # parameters that the node itself is setting
        self._reporter = Reporter(lambda: self._events.current)
        self._diagnostics = Diagnostics(self, self._reports, self._events)

    # ------------------------------------------------------------------ for each kind of node

    @abstractmethod
    def _create(self, settings: NodeSettings) -> None:
        """Create models and outputs; an exception fails the transition to configure."""

    @abstractmethod
    def _release(self) -> None:
        """Release what `_create` has created, as far as it got."""

    @abstractmethod
    def _is_configured(self) -> bool:
        """Return whether `_create` has succeeded and was not undone."""

    @abstractmethod
    def _new_session(self) -> ActiveSession:
        """Return a session for the active state, not yet started."""

    @abstractmethod
    def _checks(self, status: Status, limits: HealthLimits) -> list[Report]:
        """Return the health reports besides that of the node itself."""

    def _recognizer(self) -> Recognizer | None:
        """Return the recogniser, if the node has one."""
        return None

    def _is_loading(self) -> bool:
        return False

    def _apply_live(self, name: str, value: Any) -> None:
        """Apply a new value of a parameter that may change at any time."""

    # ------------------------------------------------------------------ lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Create models and outputs."""
        self._failure = ''
        try:
            self._settings = settings = self._declared.settings()
            use_threads(settings.threads)
            self._create(settings)
            release_memory()  # loading took twice what stays
        except Exception as error:  # a model that cannot be loaded is a failure, not a crash
            return self._fail('not configured', error)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the worker and subscribe."""
        self._failure = ''
        try:
            result = super().on_activate(state)
            self._meter.restart()
            self._session = self._new_session()
            self._session.start()
            if self._enabled:
                self._session.listen()
        except Exception as error:
            self._stop(finish=False)
            super().on_deactivate(state)
            return self._fail('not activated', error, release=False)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the worker finish the open utterance and stop it."""
        self._stop(finish=True)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the models and their memory."""
        self._release_all()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the worker and release the models."""
        self._stop(finish=True)
        self._release_all()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything after an error in a transition; the node can be configured again."""
        self.get_logger().error(f'the transition from {state.label} failed')
        self._stop(finish=False)
        self._release_all()
        return SUCCESS

    def finish(self) -> None:
        """Estimate and publish the open utterance, as far as there is time; then it may end."""
        if self._session is None:
            return
        self._stop(finish=True, timeout_s=FINISH_S)
        until = time.monotonic() + RECEIVED_S
        for publisher in self.publishers:
            publisher.wait_for_all_acked(Duration(seconds=max(until - time.monotonic(), 0.0)))

    def destroy_node(self) -> None:
        """Stop the threads before the node is destroyed."""
        self._diagnostics.stop()
        self._stop(finish=False, timeout_s=STOP_S)
        super().destroy_node()

    def _fail(self, what: str, error: Exception, *, release: bool = True
              ) -> TransitionCallbackReturn:
        self._failure = f'{what}: {error}'
        self.get_logger().error(self._failure)
        if release:
            self._release_all()
        return FAILURE

    def _stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        if self._session is not None:
            self._session.stop(finish=finish, timeout_s=timeout_s)
        self._session = None

    def _release_all(self) -> None:
        self._release()
        release_memory()

    # ------------------------------------------------------------------ parameters

    def _set_own(self, name: str, value: Any) -> None:
        """Set a parameter that others may not set while the node is configured."""
        self._own_changes.add(name)
        try:
            self.set_parameters([Parameter(name, value=value)])
        finally:
            self._own_changes.discard(name)

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        for parameter in changed:
            configured = self._is_configured() and parameter.name not in self._own_changes
            if reason := self._declared.problem(parameter, configured=configured):
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _after_set_parameters(self, changed: list[Parameter]) -> None:
        for parameter in changed:
            self._apply_live(parameter.name, parameter.value)

    # ------------------------------------------------------------------ services

    def enable(self, wanted: bool) -> str:
        """Start or stop listening, at once or upon activation; see services.Controllable."""
        changes, self._enabled = wanted != self._enabled, wanted
        word = 'enabled' if wanted else 'disabled'
        if self._session is None:
            return f'{word}; the node is not active'
        if changes and wanted:
            self._meter.restart()
            self._session.listen()
        elif changes:
            self._session.pause()
        return word if changes else f'it was {word} already'

    def _run_on_worker(self, step: Callable[[], object]) -> None:
        """Run a step on the worker thread, or inline if there is none."""
        def without_results() -> list[Any]:
            step()
            return []

        if self._session is not None:
            self._session.inbox.request(without_results)
        else:
            without_results()

    # ------------------------------------------------------------------ thread of the diagnostics

    def _tick(self) -> None:
        """Run periodic work besides that of the session; called about once per second."""

    def _reports(self) -> list[Report]:
        """Run periodic work and return the health reports."""
        limits = self._declared.limits()
        self._meter.set_window(limits.window_s)
        session = self._session
        if session is not None:
            session.tick()
        self._tick()
        status = Status(
            state=self._state_machine.current_state[1], enabled=self._enabled,
            failure=self._failure, loading=self._is_loading(), recognizer=self._recognizer(),
            waiting=session.inbox.waiting() if session is not None else {})
        return [self._reporter.report_node(status, limits), *self._checks(status, limits)]
