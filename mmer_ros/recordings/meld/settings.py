# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the recordings that are made of clips are like."""

from __future__ import annotations

from typing import Literal

from mmer_ros.types import SAMPLE_RATE
from pydantic import BaseModel, ConfigDict, Field

EPOCH_NS = 1_700_000_000 * 10 ** 9  # capture time of the first sample of every recording
SAMPLE_NS = 10 ** 9 // SAMPLE_RATE  # exact at 16 kHz
CHUNK = SAMPLE_RATE // 20  # samples in a message, 50 ms
WORDS_AFTER_S = 0.1  # from the end of a clip until its words arrive


class BagSettings(BaseModel):
    """
    How clips become a recording.

    :param fps: images a second at most; slower clips keep their rate.
    :param size: longer side of the images at most, pixels; smaller ones stay as they are.
    :param quality: of the JPEG images.
    :param gap_s: pause before, between and after the clips; speech ends after 0.224 s of
        silence by default, and words arrive WORDS_AFTER_S after a clip.
    :param transcripts: whether the words are in the recording.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    fps: float = Field(15.0, ge=1, le=60)
    size: int = Field(640, ge=160, le=4096)
    quality: int = Field(90, ge=1, le=100)
    gap_s: float = Field(1.0, ge=0.5, le=60)
    transcripts: bool = True
    storage: Literal['mcap', 'sqlite3'] = 'mcap'
