# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The node `emotion`: sensors in, estimates out; callbacks enqueue, one worker infers."""

from __future__ import annotations

from collections.abc import Sequence
import time
from typing import Any

from mmer_ros.nodes.bundle_loader import LoadedBundle
from mmer_ros.nodes.health.checks import check_recognition, check_skew, Report
from mmer_ros.nodes.health.reports import input_names, input_reports, Status, unmeasured
from mmer_ros.nodes.outputs.outputs import Outputs
from mmer_ros.nodes.recognizing_node import RecognizingNode
from mmer_ros.nodes.runtime.session import Session
from mmer_ros.profiling import Stages
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.settings import EMOTION, HealthLimits, NodeSettings
from mmer_ros.types import Estimate, FaceCrop, People, VideoFrame


class EmotionNode(RecognizingNode):
    """
    A managed node around the core's Pipeline.

    Inactive it holds the model; active it subscribes, infers and publishes.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._activity = GivenActivity()
        self._pipeline: Pipeline | None = None
        self._outputs: Outputs | None = None
        self._session: Session[Estimate] | None = None
        super().__init__(EMOTION, **kwargs)

    def _create(self, settings: NodeSettings) -> None:
        settings.require_input()
        super()._create(settings)

    def _create_engine(self, settings: NodeSettings, recognizer: Recognizer) -> None:
        self._outputs = Outputs(
            self, settings, lambda: self._session.frame_id if self._session else '')
        self._pipeline = Pipeline(
            recognizer, settings.segmenter,
            probability=self._activity if settings.hears_voices else None,
            partial_rate=settings.partial_rate, on_faces=self._on_faces,
            people_rate=settings.people_rate, on_people=self._on_people,
            people_wanted=self._people_wanted, stages=Stages(
                time.perf_counter,
                lambda name, seconds: self._meter.record_stage(name, seconds)))

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = None
        self._pipeline = None

    def _engine(self) -> Pipeline | None:
        return self._pipeline

    def _replace_bundle(self, loaded: LoadedBundle) -> None:
        if self._pipeline is not None:
            self._pipeline.change_recognizer(loaded.recognizer, loaded.detector)

    def _new_session(self) -> Session[Estimate]:
        assert self._pipeline is not None
        return Session(self, self._settings, self._pipeline, self._activity,
                       publish=self._publish, events=self._events, meter=self._meter)

    # ------------------------------------------------------------------ other threads

    def _publish(self, estimate: Estimate, now: float) -> None:
        latency = max(now - estimate.stamp, 0.0)
        if self._outputs is not None:
            self._outputs.publish_estimate(estimate, latency)
        self._meter.record_estimate(estimate, latency)

    def _on_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        pipeline, outputs = self._pipeline, self._outputs
        if pipeline is not None and outputs is not None:
            outputs.publish_faces(frame, crops, speaking=pipeline.speaking,
                                  speaker=pipeline.speaker)

    def _people_wanted(self) -> bool:
        outputs = self._outputs
        return outputs is not None and outputs.people_wanted

    def _on_people(self, people: People) -> None:
        if (outputs := self._outputs) is not None:
            outputs.publish_people(people)

    def _apply_live(self, name: str, value: Any) -> None:
        super()._apply_live(name, value)
        if name == 'people_rate' and (pipeline := self._pipeline) is not None:
            pipeline.people_rate = value

    def _tick(self) -> None:
        if (outputs := self._outputs) is not None:
            outputs.tick()

    def _checks(self, status: Status, limits: HealthLimits) -> list[Report]:
        session = self._session
        inputs = session.inputs if session is not None else None
        if inputs is None:
            named = self._declared.unchecked()
            return unmeasured(status, [*input_names(named), 'clocks', 'recognition'])
        return [*input_reports(self._settings, inputs, self._meter, limits),
                check_skew(self._meter, limits, inputs.shifts),
                check_recognition(self._meter, limits)]
