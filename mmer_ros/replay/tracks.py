# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Times of the inputs, the faces and the words of a recording."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

from mmer_ros.replay.arrivals import Arrival
from mmer_ros.replay.pictures import Levels, LEVELS_PER_S
from mmer_ros.types import AudioBlock, FaceCrop, Transcript

WINDOW_S, LONG_WINDOW_S = 10, 60  # of the availability over time; the longer one for recordings
MANY_WINDOWS = 60  # of more windows than this


class Intervals:
    """
    Times at which something was present, merged into as few intervals as possible.

    :param gap_s: longest gap between two times of one interval, seconds.
    """

    def __init__(self, gap_s: float) -> None:
        self.gap_s = gap_s
        self.spans: list[list[float]] = []

    def add(self, start: float, end: float) -> None:
        """Add a time from `start` to `end`, seconds."""
        if self.spans:
            last = self.spans[-1]
            if last[0] <= start <= last[1] + self.gap_s:
                last[1] = max(last[1], end)
                return
        self.spans.append([start, end])

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(end - start for start, end in self.spans)


class Tracks:
    """
    Collect the lanes of a timeline other than the estimates.

    :param gap_s: an input without messages for this long is absent, seconds.
    :param duration: of the recording, seconds.
    """

    def __init__(self, gap_s: float, duration: float) -> None:
        self._gap_s = gap_s
        self._duration = duration
        self._levels = Levels(2 * duration + 60)
        self._inputs = {kind: Intervals(gap_s) for kind in ('image', 'audio', 'face')}
        self._faces: dict[str, Intervals] = {}
        self._persons: dict[str, str] = {}  # by face
        self._transcripts: list[dict[str, Any]] = []

    def add_arrival(self, arrival: Arrival) -> None:
        """Add a message."""
        content = arrival.content
        if isinstance(content, AudioBlock):
            length = len(content.samples) / content.sample_rate
            self._inputs['audio'].add(content.stamp, content.stamp + length)
            self._levels.add(content)
        elif isinstance(content, Transcript) and arrival.kind == 'transcript':
            self._transcripts.append({'stamp': content.stamp, 'text': content.text})
        elif arrival.kind in ('image', 'image_time'):
            self._inputs['image'].add(arrival.stamp, arrival.stamp)

    def add_faces(self, stamp: float, crops: Sequence[FaceCrop]) -> None:
        """Add the faces of an image."""
        if crops:
            self._inputs['face'].add(stamp, stamp)
        for crop in crops:
            self._faces.setdefault(crop.face_id, Intervals(self._gap_s)).add(stamp, stamp)
            if crop.person_id:
                self._persons[crop.face_id] = crop.person_id

    def shares(self) -> dict[str, float]:
        """Return the share of the recording in which each input was present, 0..1."""
        duration = self._duration
        return {kind: round(min(track.total / duration, 1.0), 4) if duration > 0 else 0.0
                for kind, track in self._inputs.items()}

    def over_time(self, start: float) -> dict[str, Any]:
        """
        Return the share of each window in which each input was present, 0..1.

        :param start: of the recording, capture time in seconds.
        """
        window = WINDOW_S if self._duration <= MANY_WINDOWS * WINDOW_S else LONG_WINDOW_S
        count = math.ceil(self._duration / window)
        lengths = [min(window, self._duration - i * window) for i in range(count)]
        shares = {kind: [round(min(part / length, 1.0), 4) for part, length in zip(
            _per_window(track.spans, start, window, count), lengths, strict=True)]
            for kind, track in self._inputs.items()}
        return {'start': start, 'window_s': window, **shares}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: spans are [start, end], capture time in seconds."""
        return {'inputs': {kind: track.spans for kind, track in self._inputs.items()},
                'faces': {name: track.spans for name, track in self._faces.items()},
                'persons': self._persons, 'transcripts': self._transcripts,
                'levels': {'start': self._levels.start, 'per_s': LEVELS_PER_S,
                           'peaks': str(self._levels)}}


def _per_window(spans: Sequence[Sequence[float]], start: float, window: float,
                count: int) -> list[float]:
    """Return the seconds of the spans in each window."""
    seconds = [0.0] * count
    for first, last in spans:
        low = max(0, math.floor((first - start) / window))
        for index in range(low, min(count, math.floor((last - start) / window) + 1)):
            left = start + index * window
            seconds[index] += max(0.0, min(last, left + window) - max(first, left))
    return seconds
