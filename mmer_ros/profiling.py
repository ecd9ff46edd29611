# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Measures how long the stages of the recognition take, with a clock that the caller provides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mmer_ros.types import Modality

Clock = Callable[[], float]  # seconds that pass, e.g. time.perf_counter
OnStage = Callable[[str, float], object]  # name of the stage, seconds that it took
Function = TypeVar('Function', bound=Callable[..., Any])

VOICE_ACTIVITY, FACE_DETECTION, PERSONS = 'voice activity', 'face detection', 'persons'
AUDIO, FACE, TEXT = 'audio encoder', 'face encoder', 'text encoder'  # as of stage_of
FUSION = 'fusion'
PEOPLE = 'people in view'
RECOGNITION = (VOICE_ACTIVITY, AUDIO, FACE, TEXT, FUSION)  # one after another, in one thread


def stage_of(modality: Modality) -> str:
    """Return the stage in which a modality's encoder works."""
    return f'{modality.key} encoder'


class Stages:
    """
    Measures how long each stage takes.

    A GPU works while the caller goes on: its time shows in the stage that waits for the result,
    which is the fusion.

    :param clock: None: nothing is measured.
    :param on_stage: called with the name of a stage and its duration, seconds.
    """

    def __init__(self, clock: Clock | None = None,
                 on_stage: OnStage = lambda name, seconds: None) -> None:
        self.clock = clock
        self._on_stage = on_stage

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """Measure the block as one run of a stage."""
        if self.clock is None:
            yield
            return
        begin = self.clock()
        try:
            yield
        finally:
            self._on_stage(name, self.clock() - begin)

    def timed(self, name: str, function: Function) -> Function:
        """Wrap a function so that each call is measured as a run of a stage."""
        if self.clock is None:
            return function

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.measuring(name):
                return function(*args, **kwargs)

        return timed  # type: ignore[return-value]


UNMEASURED = Stages()
