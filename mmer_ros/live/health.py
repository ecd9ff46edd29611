# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is wrong with camera and microphone of the page, in sentences."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW_S = 5.0  # of the rates
SILENT_S = 2.0  # without anything from an input
NAMES = {'image': 'camera', 'audio': 'microphone'}
SILENT = {
    'image': 'camera: no pictures come. Is another program using it, or is it unplugged?',
    'audio': 'microphone: no sound comes. Is another program using it, or is it unplugged?'}


class InputHealth:
    """
    Counts what the inputs send, and keeps what is wrong with it.

    :param clock: current time of any clock that only goes forward, seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}
        self._problems: dict[str, str] = {}

    def saw(self, kind: str, problem: str = '') -> None:
        """
        Note that something has come.

        :param kind: image or audio.
        :param problem: why it is of no use, '' if it is.
        """
        self._times.setdefault(kind, deque(maxlen=1000)).append(self._clock())
        if kind == 'audio':
            self.judge(kind, problem)

    def judge(self, kind: str, problem: str) -> None:
        """Note why what came is of no use; '' if it is of use."""
        self._problems[kind] = problem

    def pause(self) -> None:
        """Expect nothing until something comes."""
        self._times, self._problems = {}, {}

    def report(self) -> dict[str, Any]:
        """Return the rates in Hz, and the problems as sentences; of inputs that have sent."""
        now = self._clock()
        rates, problems = {}, []
        for kind, times in self._times.items():
            recent = sum(now - time <= WINDOW_S for time in times)
            rates[f'{kind}_hz'] = round(recent / min(WINDOW_S, max(now - times[0], 1.0)), 1)
            if now - times[-1] > SILENT_S:
                problems.append(SILENT[kind])
            elif problem := self._problems.get(kind, ''):
                problems.append(f'{NAMES[kind]}: {problem}')
        return {**rates, 'problems': problems}
