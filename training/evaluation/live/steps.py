# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The way from the offline answer to the live one, one change at a time.

Each step keeps what the ones before it changed, so that their differences add up. What the
encoders make of the offline and of the live input is known; each step asks the fusion again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OFFLINE, LIVE = 'offline', 'history'

Cut = Literal['whole', 'split', 'merged', 'swallowed', 'missed']
CUTS: dict[Cut, str] = {
    'whole': 'one utterance for the clip',
    'split': 'several utterances for the clip; the one that overlaps it best is scored',
    'merged': 'an utterance that reaches over several clips, scored for this one',
    'swallowed': 'within an utterance that is scored for another clip: no answer',
    'missed': 'no speech was found: no answer'}


@dataclass(frozen=True)
class Step:
    """
    A change.

    :param name: short, a key.
    :param what: what the live path does instead of the offline evaluation.
    """

    name: str
    what: str


STEPS = (
    Step(OFFLINE, 'clip, faces, text and turns as the corpus has them'),
    Step('images', 'JPEG images, at 5 Hz of the recording'),
    Step('audio cut', 'sound as voice activity cuts it'),
    Step('face cut', 'faces within these times'),
    Step('face choice', 'face of who seems to speak, instead of the largest'),
    Step('words', 'words as they came'),
    Step(LIVE, 'turns as they were heard: all is live'))
ALONE = (
    Step('audio alone', 'all of the audio'), Step('face alone', 'all of the face'),
    Step('text alone', 'words and turns'))
