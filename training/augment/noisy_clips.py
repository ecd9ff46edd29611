# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clips in noise, one signal-to-noise ratio each, for calibration in noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmer_ros.types import Int16
from training.augment.noise_conditions import others_of, with_noise_of
from training.corpora.clips import ClipsWrapper
from training.corpora.examples import Example
from training.engine.sampling import keyed_generator


class NoisyClips(ClipsWrapper):
    """
    Some clips of a corpus with noise over them; keys and labels are those of the clips.

    :param clips: cut to the speech, e.g. SpokenClips.
    :param examples: which of its clips.
    :param kind: of NOISES.
    :param ratio_db: signal-to-noise ratio.
    """

    def __init__(self, clips: Any, examples: Sequence[Example], kind: str, ratio_db: float
                 ) -> None:
        super().__init__(clips, examples, f'{kind} at {ratio_db} dB')
        self._kind, self._ratio_db = kind, ratio_db
        self._others = others_of(clips)

    def audio(self, key: str) -> Int16:
        """Return a clip in noise, (n,) int16, 16 kHz mono."""
        random = keyed_generator(f'{self._kind}/{self._ratio_db}/{key}')
        return with_noise_of(self._kind, self._clips.audio(key), self._ratio_db, self._others,
                             random)
