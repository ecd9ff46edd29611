# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The node `estimator`: utterance parts in, estimates of each robot out (docs/split.md)."""

from __future__ import annotations

import math
import time
from typing import Any

from mmer_ros.nodes.bundle_loader import LoadedBundle
from mmer_ros.nodes.health.checks import (
    check_parts,
    check_recognition,
    PartCounts,
    Report,
)
from mmer_ros.nodes.health.process_usage import started_at
from mmer_ros.nodes.health.reports import Status, unmeasured
from mmer_ros.nodes.outputs.outputs import RobotOutputs
from mmer_ros.nodes.recognizing_node import RecognizingNode
from mmer_ros.nodes.runtime.part_session import PartSession
from mmer_ros.profiling import Stages
from mmer_ros.recognition.multi_robot import Estimator, SourceEstimate
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.settings import ESTIMATOR, HealthLimits, NodeSettings

BATCH = 16  # utterances processed together on other devices than the CPU
RESTART_S = 10.0  # before this process, another may have ended in mid-speech


class EstimatorNode(RecognizingNode):
    """
    A managed node around the core's Estimator.

    Inactive it holds the model; active it subscribes to the parts of all robots, infers, and
    publishes the estimates of each robot in its namespace.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._estimator: Estimator | None = None
        self._outputs: RobotOutputs | None = None
        self._session: PartSession | None = None
        self._since = started_at() - RESTART_S
        super().__init__(ESTIMATOR, **kwargs)

    def _create_engine(self, settings: NodeSettings, recognizer: Recognizer) -> None:
        self._outputs = RobotOutputs(self, settings)
        self._estimator = Estimator(
            recognizer, partial_rate=settings.partial_rate,
            batch=settings.batch or (1 if recognizer.device == 'cpu' else BATCH),
            quiet_s=settings.parts_wait_s, stages=Stages(
                time.perf_counter,
                lambda name, seconds: self._meter.record_stage(name, seconds)))

    def _release(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = self._estimator = None

    def _engine(self) -> Estimator | None:
        return self._estimator

    def _replace_bundle(self, loaded: LoadedBundle) -> None:
        if self._estimator is not None:
            self._estimator.change_recognizer(loaded.recognizer)

    def _new_session(self) -> PartSession:
        assert self._estimator is not None and self._outputs is not None
        since, self._since = self._since, math.inf
        return PartSession(self, self._settings, self._estimator, publish=self._publish,
                           events=self._events, meter=self._meter, since=since)

    # ------------------------------------------------------------------ other threads

    def _publish(self, found: SourceEstimate, latency: float, frame_id: str) -> None:
        if (outputs := self._outputs) is not None:
            outputs.publish_estimate(found, latency, frame_id)

    def _tick(self) -> None:
        if (outputs := self._outputs) is not None:
            outputs.tick()

    def _checks(self, status: Status, limits: HealthLimits) -> list[Report]:
        session, estimator = self._session, self._estimator
        if session is None or estimator is None or session.inputs is None:
            return unmeasured(status, ['parts', 'recognition'])
        counts: dict[str, PartCounts] = {}
        for (name, _), source in list(estimator.sources.items()):
            count = counts.setdefault(name, PartCounts())
            count.received += source.received
            count.lost += source.lost
            count.repeated += source.repeated
            count.missed += source.missed
        return [check_parts(session.topic, session.publishers, counts, self._meter, limits),
                check_recognition(self._meter, limits)]
