# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
What is normal for a voice: the mean of what the classifier says of a person's utterances.

Voices, microphones and languages differ more than emotions do, so a classifier takes some people
for angry and others for sad whatever they say. What it says of a person on average, less what the
estimated emotions explain of it, is no emotion; it is subtracted. No label is needed, and each
utterance only needs those before it.
"""

from __future__ import annotations

from collections.abc import Callable

from mmer_ros.recognition.prior_correction import softmax
from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray

PRIOR_UTTERANCES = 5.0  # a baseline of this many utterances is half the way to their mean
EXPLAINED = 1.0  # how far an emotion raises its logit over the others on average

Logits = NDArray[np.float64]
VoiceOffset = Callable[[Logits], Logits]  # logits of a voice to what is subtracted, (7,) each


class VoiceBaselines:
    """
    Baselines of the people at one microphone, in memory only.

    A new person starts from what the other people at the microphone have in common.

        >>> voices = VoiceBaselines()
        >>> for _ in range(5):
        ...     voices.add('ana', np.array([0.0, 0, 0, 0, 0, 0, 7.0]))
        >>> bool(voices.offset('ana')[6] > 2)
        True
    """

    def __init__(self) -> None:
        self._totals: dict[str, tuple[Logits, int]] = {}

    def add(self, speaker: str, logits: NDArray[np.floating]) -> None:
        """
        Take what the classifier says of an utterance of the speaker.

        :param speaker: '' if it is not known who speaks.
        :param logits: (7,); values that are not finite are left out.
        """
        if np.isfinite(logits).all():
            total, count = self._totals.get(speaker, (np.zeros(len(EMOTIONS)), 0))
            posterior = softmax(logits - self.offset(speaker))
            unexplained = logits - EXPLAINED * posterior
            self._totals[speaker] = (total + unexplained - unexplained.mean(), count + 1)

    def offset(self, speaker: str) -> Logits:
        """Return what is to be subtracted from the logits of the speaker's voice, (7,)."""
        own, count = self._totals.get(speaker, (np.zeros(len(EMOTIONS)), 0))
        others = [known for name, known in self._totals.items() if name != speaker]
        common = sum((total for total, _ in others), np.zeros(len(EMOTIONS))) / (
            sum(number for _, number in others) + PRIOR_UTTERANCES)
        result: Logits = (own + PRIOR_UTTERANCES * common) / (count + PRIOR_UTTERANCES)
        return result

    def clear(self) -> None:
        """Forget all voices."""
        self._totals.clear()
