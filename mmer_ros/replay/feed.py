# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Arrivals into the pipeline, estimates out of it, as the worker of the node does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.replay.arrivals import Arrival
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    InvalidInput,
    StreamEvent,
    Transcript,
    VideoFrame,
)


@dataclass(frozen=True)
class Published:
    """
    An estimate and when it could be published.

    :param published: capture time, seconds: when the message arrived that completed it.
    :param time_ns: the same by the clock of the recording.
    """

    estimate: Estimate
    published: float
    time_ns: int
    frame_id: str

    @property
    def latency(self) -> float:
        """Seconds from the capture of the last evidence, computing not counted."""
        return max(self.published - self.estimate.stamp, 0.0)


class Feed:
    """
    Feed a pipeline, and go on whatever is wrong with the input.

    :param on_event: called with each warning about the input and its time of recording.
    """

    def __init__(self, pipeline: Pipeline, on_event: Callable[[StreamEvent, int], object]) -> None:
        self._pipeline = pipeline
        self._on_event = on_event
        self._last = Arrival('', 0, 0.0)

    def push(self, arrival: Arrival) -> list[Published]:
        """Feed an arrival; return the estimates that it completes."""
        self._last = arrival
        for event in arrival.events:
            self._on_event(event, arrival.time_ns)
        return self._guarded(arrival, lambda: self._estimate(arrival)) if arrival.kind else []

    def flush(self) -> list[Published]:
        """End the streams, as when the node is deactivated; return the remaining estimates."""
        return self._guarded(self._last, self._pipeline.flush)

    def _estimate(self, arrival: Arrival) -> list[Estimate]:
        content, now = arrival.content, arrival.now
        if isinstance(content, AudioBlock):
            return self._pipeline.push_audio(content, now)
        if isinstance(content, VideoFrame):
            return self._pipeline.push_frame(content, now)
        if isinstance(content, bool):
            self._pipeline.set_own_speaking(content, arrival.stamp)
            return []
        if isinstance(content, Transcript) and arrival.kind == 'own_speech':
            self._pipeline.push_own_speech(content)
            return []
        if isinstance(content, Transcript):
            return self._pipeline.push_transcript(content, now)
        if arrival.kind == 'idle':
            return self._pipeline.advance(arrival.stamp)
        return self._pipeline.skip_frame(arrival.stamp, now)

    def _guarded(self, arrival: Arrival, step: Callable[[], list[Estimate]]) -> list[Published]:
        estimates: list[Estimate] = []
        try:
            estimates = step()
        except InvalidInput as error:
            self._report(arrival, str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._report(arrival, type(error).__name__, (
                f'internal error, the input was left out: {type(error).__name__}: {error}'))
        for event in self._pipeline.drain_events():
            self._on_event(event, arrival.time_ns)
        return [Published(estimate, arrival.now, arrival.time_ns, arrival.frame_id)
                for estimate in estimates]

    def _report(self, arrival: Arrival, kind: str, text: str) -> None:
        self._on_event(StreamEvent(kind, arrival.now, text), arrival.time_ns)
