"""The `emotion` node: sensors in, estimates out; callbacks only enqueue, one worker infers."""

from __future__ import annotations

from collections.abc import Sequence
import time
from typing import Any

from mmer_ros.given_activity import GivenActivity
from mmer_ros.nodes import parameters
from mmer_ros.nodes.bundle_loader import Loaded
from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.checks import Report
from mmer_ros.nodes.health.diagnostics import Diagnostics
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.health.process import give_back_memory
from mmer_ros.nodes.health.reports import Reporter, Status
from mmer_ros.nodes.inputs import settings
from mmer_ros.nodes.outputs.outputs import Outputs
from mmer_ros.nodes.services import Services
from mmer_ros.nodes.session import clock_seconds, Session
from mmer_ros.pipeline import Pipeline
from mmer_ros.recognizer import Recognizer, UNTRAINED
from mmer_ros.stages import Stages
from mmer_ros.types import Estimate, FaceCrop, InvalidInput, VideoFrame
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
import torch

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
STOP_S = 1.2  # what the worker has to end its step when the process is told to stop


class EmotionNode(LifecycleNode):
    """
    A managed node around the core's Pipeline.

    Unconfigured it holds nothing, inactive it holds the model, active it subscribes, infers and
    publishes. Bad input is logged and left out; it never ends the node.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Declare the parameters; all else waits for the transition to configure."""
        super().__init__('emotion', **kwargs)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.add_post_set_parameters_callback(self._after_set_parameters)
        self._events = EventLog(lambda text: self.get_logger().warning(text),
                                lambda text: self.get_logger().info(text))
        self._activity = GivenActivity()
        self._meter = Meter(self._value('health.window_s'), lambda: clock_seconds(self))
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._session: Session | None = None
        self._enabled = True
        self._failure = ''
        self._changes_bundle = False
        self._offered = Services(self, self)
        self._reporter = Reporter(self._value, lambda: self._events.current)
        self._diagnostics = Diagnostics(self, self._reports, self._events)

    # ------------------------------------------------------------------ life

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle."""
        self._failure = ''
        try:
            settings.check(self._value)
            if threads := self._value('threads'):
                torch.set_num_threads(threads)
            self.get_logger().info(f'loading bundle {self._value("bundle")}')
            recognizer = Recognizer.load(self._value('bundle'), device=self._value('device'),
                                         expected_hash=self._value('bundle_hash'),
                                         prior=self._value('prior'))
            recognizer.warm_up()
            self._outputs = Outputs(self, lambda: self._session.frame_id if self._session else '')
            self._pipeline = self._new_pipeline(recognizer)
        except Exception as error:  # a model that cannot be loaded is a failure, not a crash
            return self._fail('not configured', error)
        self._tell_bundle(recognizer)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start the worker."""
        assert self._pipeline is not None and self._outputs is not None
        self._failure = ''
        try:
            result = super().on_activate(state)
            self._meter.restart()
            self._session = Session(
                self, self._pipeline, self._activity, publish=self._outputs.estimate,
                events=self._events, meter=self._meter)
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
        """Let go of the model and of the memory that it took."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop whatever runs and let go of the model."""
        self._stop(finish=True)
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything after an error in a transition; the node can be used again."""
        self.get_logger().error(f'a transition from {state.label} went wrong')
        self._stop(finish=False)
        self._release()
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the threads before the node goes."""
        self._diagnostics.stop()
        self._stop(finish=False, timeout_s=STOP_S)
        super().destroy_node()

    def _new_pipeline(self, recognizer: Recognizer) -> Pipeline:
        stages = Stages(time.perf_counter, lambda name, seconds: self._meter.stage(name, seconds))
        return Pipeline(
            recognizer, parameters.segmenter_config(self),
            probability=self._activity if settings.hears_voices(self._value) else None,
            partial_rate=self._value('partial_rate'), stages=stages, on_faces=self._on_faces)

    def _tell_bundle(self, recognizer: Recognizer) -> None:
        config = recognizer.config
        self.get_logger().info(
            f'bundle {config.name}, hash {recognizer.bundle.content_hash[:12]}, '
            f'device {recognizer.device}')
        if not config.trained:
            self.get_logger().warning(UNTRAINED.format(name=config.name))

    def _fail(self, what: str, error: Exception, *, release: bool = True
              ) -> TransitionCallbackReturn:
        self._failure = f'{what}: {error}'
        self.get_logger().error(self._failure)
        if release:
            self._release()
        return FAILURE

    def _stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        if self._session is not None:
            self._session.stop(finish=finish, timeout_s=timeout_s)
        self._session = None

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = None
        self._pipeline = None
        give_back_memory()

    # ------------------------------------------------------------------ parameters

    def _value(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        for parameter in changed:
            own = parameter.name == 'bundle' and self._changes_bundle
            if self._pipeline is not None and parameters.is_known(parameter.name) and not (
                    own or parameters.is_live(parameter.name)):
                return SetParametersResult(successful=False, reason=(
                    f'{parameter.name} takes effect when the node is configured: deactivate and '
                    'clean it up, set it, configure it again'))
        return SetParametersResult(successful=True)

    def _after_set_parameters(self, changed: list[Parameter]) -> None:
        for parameter in changed:
            if parameter.name == 'partial_rate' and self._pipeline is not None:
                self._pipeline.partial_rate = parameter.value

    # ------------------------------------------------------------------ services

    def enable(self, wanted: bool) -> str:
        """Listen or do not, now if the node is active, else when it is; as services.Served."""
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

    def reset_history(self) -> str:
        """Forget the dialogue so far, as services.Served."""
        pipeline = self._configured()

        def step() -> list[Estimate]:
            pipeline.reset_history()
            return []

        self._do(step)
        return 'the dialogue so far is forgotten'

    def bundle_options(self) -> tuple[str, str, str]:
        """Return device, expected hash and prior of a bundle, as services.Served."""
        self._configured()
        return self._value('device'), self._value('bundle_hash'), self._value('prior')

    def change_bundle(self, name: str, loaded: Loaded) -> str:
        """Go on with another bundle from the next utterance on, as services.Served."""
        pipeline = self._configured()

        def step() -> list[Estimate]:
            pipeline.change_recognizer(loaded.recognizer, loaded.detector)
            return []

        self._do(step)
        self._changes_bundle = True
        try:
            self.set_parameters([Parameter('bundle', value=name)])
        finally:
            self._changes_bundle = False
        self._tell_bundle(loaded.recognizer)
        return f'{loaded.recognizer.config.name} is used from the next utterance on'

    def _configured(self) -> Pipeline:
        if self._pipeline is None:
            raise InvalidInput('the node is not configured')
        return self._pipeline

    def _do(self, step: Any) -> None:
        """Have the worker do a step; without one, do it here."""
        if self._session is not None:
            self._session.inbox.request(step)
        else:
            step()

    # ------------------------------------------------------------------ other threads

    def _on_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is not None and outputs is not None:
            outputs.faces(frame, crops, speaking=pipeline.speaking, speaker=pipeline.speaker)

    def _reports(self) -> list[Report]:
        """Return what is told on /diagnostics, and do what is due each second."""
        limits = parameters.limits(self)
        self._meter.set_window(limits.window_s)
        session, pipeline, outputs = self._session, self._pipeline, self._outputs
        if session is not None:
            session.tick()
        if outputs is not None:
            outputs.tick()
        return self._reporter.reports(Status(
            state=self._state_machine.current_state[1], enabled=self._enabled,
            failure=self._failure, loading=self._offered.loading,
            recognizer=pipeline.recognizer if pipeline is not None else None,
            inputs=session.inputs if session is not None else None,
            waiting=session.inbox.waiting() if session is not None else {}),
            self._meter, limits)


if __name__ == '__main__':
    from mmer_ros.nodes.emotion import run
    run()
