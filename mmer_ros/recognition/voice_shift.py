# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Features of a voice, moved so that what is normal for the person is gone from its logits."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.backbones import Encoded
from mmer_ros.networks.onnx_networks import VoiceClassifier
from mmer_ros.recognition.voice_baseline import VoiceOffset
from mmer_ros.types import EMOTIONS
import numpy as np


class VoiceShift:
    """
    Moves features so that the logits of their classifier change by an offset.

    Sounds for which the reliability gate of a late fusion closes are no voices: they stay as they
    are, and enter no baseline.

    :param classifier: the linear one of the audio encoder, over the mean of the features.
    """

    def __init__(self, classifier: VoiceClassifier) -> None:
        self._classifier = classifier
        self._step = np.linalg.pinv(classifier.weight.astype(np.float64))     # (width, 7)

    def shifted(self, encoded: Encoded, voices: Sequence[VoiceOffset]) -> Encoded:
        """
        Return the features of utterances with the offsets of their voices subtracted.

        :param encoded: (B, T, width), and the mask (B, T).
        :param voices: each gets the logits of its voice, (7,), and returns the offset, (7,).
        """
        values, mask = encoded
        offsets = np.zeros((len(voices), len(EMOTIONS)))                      # (B, 7)
        for row, voice in enumerate(voices):
            if not mask[row].any():
                continue
            logits, gate = self._classifier.classify(values[row][mask[row]])
            if gate > 0:
                offsets[row] = voice(logits.astype(np.float64))
        shifts = (offsets @ self._step.T).astype(np.float32)                  # (B, width)
        return self._classifier.subtract(values, shifts), mask
