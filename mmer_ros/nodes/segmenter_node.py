# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The node `segmenter`, on the robot: sensors in, utterance parts out (docs/split.md)."""

from __future__ import annotations

from collections.abc import Sequence
import random
import time
from typing import Any

from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_ros.nodes.health.checks import check_segmentation, check_skew, Report
from mmer_ros.nodes.health.reports import input_names, input_reports, Status, unmeasured
from mmer_ros.nodes.managed_node import ManagedNode
from mmer_ros.nodes.outputs.debug_image import DebugImage
from mmer_ros.nodes.outputs.publishing import publish_message
from mmer_ros.nodes.part_messages import to_part_messages
from mmer_ros.nodes.runtime.part_session import part_qos
from mmer_ros.nodes.runtime.session import Session
from mmer_ros.nodes.services import ControlServices
from mmer_ros.profiling import Stages
from mmer_ros.recognition.bundle import Bundle, check_place
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.recognition.recognizer import check_device
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.sensing.sensor_pipeline import PartPipeline
from mmer_ros.sensing.vad import SpeechProbability
from mmer_ros.settings import HealthLimits, NodeSettings, SEGMENTER
from mmer_ros.types import FaceCrop, InvalidInput, UtterancePart, VideoFrame

NO_PEOPLE = ('Of people who do not speak nothing is sent: ~/people is published by the node '
             '`emotion` alone')


class SegmenterNode(ManagedNode):
    """
    A managed node around the core's PartPipeline.

    It has no encoders; it reads the bundle only for the settings of face detection and crops.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._activity = GivenActivity()
        self._pipeline: PartPipeline | None = None
        self._publisher: Any = None
        self._debug: DebugImage | None = None
        self._session: Session[UtterancePart] | None = None
        self._source = ''
        self._session_id = 0  # random, so that a restart is noticed
        self._sequence = 0
        self._face_settings = ''
        super().__init__(SEGMENTER, **kwargs)
        ControlServices(self, self)

    def _create(self, settings: NodeSettings) -> None:
        settings.require_input()
        self._source = settings.source.strip('/') or self.get_namespace().strip('/')
        check_place(settings.bundle, settings.bundle_folders)
        config = Bundle.read_config(settings.bundle)
        faces = config.faces
        self._face_settings = faces.digest
        device = check_device(settings.device)
        self._session_id, self._sequence = random.SystemRandom().getrandbits(32), 0
        stages = Stages(time.perf_counter,
                        lambda name, seconds: self._meter.record_stage(name, seconds))
        self._pipeline = PartPipeline(
            FaceStream(make_detector(faces, device, settings.engine)), settings.segmenter,
            probability=(self._activity if settings.hears_voices else
                         SpeechProbability(settings.engine)),
            stages=stages, on_faces=self._on_faces, languages=config.languages)
        self._publisher = self.create_lifecycle_publisher(
            PartMessage, settings.parts_topic, part_qos(settings))
        if settings.debug_image:
            self._debug = DebugImage(self, self._frame_id)
        self.get_logger().info(
            f'source {self._source or "/"}: utterance parts are published on '
            f'{self.resolve_topic_name(settings.parts_topic)}. {NO_PEOPLE}')

    def _release(self) -> None:
        if self._publisher is not None:
            self.destroy_lifecycle_publisher(self._publisher)
        if self._debug is not None:
            self._debug.close()
        self._publisher = self._debug = self._pipeline = None

    def _is_configured(self) -> bool:
        return self._pipeline is not None

    def _new_session(self) -> Session[UtterancePart]:
        assert self._pipeline is not None
        return Session(self, self._settings, self._pipeline, self._activity,
                       publish=self._publish, events=self._events, meter=self._meter)

    # ------------------------------------------------------------------ services

    def reset_history(self) -> str:
        """Have the estimator forget the dialogue so far; see services.Controllable."""
        if self._pipeline is None:
            raise InvalidInput('the node is not configured')
        self._run_on_worker(self._pipeline.reset_history)
        return 'the dialogue history is cleared with the next utterance'

    # ------------------------------------------------------------------ other threads

    def _frame_id(self) -> str:
        return self._session.frame_id if self._session is not None else ''

    def _publish(self, part: UtterancePart, now: float) -> None:
        if (publisher := self._publisher) is not None:
            for message in to_part_messages(
                    SentPart(self._source, self._session_id, self._sequence, part),
                    frame_id=self._frame_id(), face_settings=self._face_settings):
                publish_message(self, publisher, message)
        self._sequence += 1
        self._meter.record_latency('part', max(now - part.end, 0.0))

    def _on_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        pipeline, debug = self._pipeline, self._debug
        if pipeline is not None and debug is not None:
            debug.publish(frame, crops, speaking=pipeline.speaking, speaker=pipeline.speaker)

    def _checks(self, status: Status, limits: HealthLimits) -> list[Report]:
        session = self._session
        inputs = session.inputs if session is not None else None
        if inputs is None:
            named = self._declared.unchecked()
            return unmeasured(status, [*input_names(named), 'clocks', 'segmentation'])
        return [*input_reports(self._settings, inputs, self._meter, limits),
                check_skew(self._meter, limits, inputs.shifts),
                check_segmentation(self._meter, limits)]
