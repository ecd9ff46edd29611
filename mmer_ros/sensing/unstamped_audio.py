# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Capture times for audio whose messages carry none."""

from __future__ import annotations

MAX_JITTER_S = 0.5  # a message that is later or earlier than this ends a pause
FOLLOW = 0.02  # share of a difference that is taken up by each message: clocks drift


class UnstampedAudio:
    """
    Date samples by counting them, and keep to the times of arrival on average.

    Messages arrive irregularly though they were captured one right after the other. What is lost
    on the way cannot be noticed so, unless it is more than MAX_JITTER_S.
    """

    def __init__(self) -> None:
        """Start with nothing received."""
        self._end: float | None = None

    def stamp(self, arrival: float, duration: float) -> float:
        """
        Return the capture time of a message's first sample, seconds.

        :param arrival: when the message came, seconds.
        :param duration: of its audio, seconds.
        """
        start = arrival - duration
        if self._end is not None and abs(start - self._end) <= MAX_JITTER_S:
            start = self._end + FOLLOW * (start - self._end)
        self._end = start + duration
        return start
