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
from mmer_ros.networks.crossmodal import masked_mean
from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.recognition.voice_baseline import VoiceOffset
from mmer_ros.types import InvalidInput, Modality
import torch
from torch import nn


class VoiceShift:
    """
    Moves features so that the logits of their classifier change by an offset.

    Sounds for which the reliability gate of a late fusion closes are no voices: they stay as they
    are, and enter no baseline.

    :param model: its audio encoder has a linear classifier, over the mean of the features.
    :raises InvalidInput: if it has not.
    """

    def __init__(self, model: EmotionModel) -> None:
        classifier = model.encoders[Modality.AUDIO].classifier
        if not isinstance(classifier, nn.Linear):
            raise InvalidInput('voice_adaptation: the classifier of the audio encoder is not '
                               'linear; take the setting out of config.json')
        self._classifier = classifier
        late_fusion = getattr(model.fusion, 'late_fusion', None)
        self._gate = late_fusion.gates[Modality.AUDIO.key] if late_fusion is not None else None
        self._step = torch.linalg.pinv(classifier.weight.detach())  # (width, 7)

    @torch.inference_mode()
    def shifted(self, encoded: Encoded, voices: Sequence[VoiceOffset]) -> Encoded:
        """
        Return the features of utterances with the offsets of their voices subtracted.

        :param encoded: (B, T, width), and the mask (B, T).
        :param voices: each gets the logits of its voice, (7,), and returns the offset, (7,).
        """
        values, mask = encoded[0].clone(), encoded[1]
        for row, voice in enumerate(voices):
            if not mask[row].any():
                continue
            mean = masked_mean(values[row:row + 1], mask[row:row + 1])
            if self._gate is None or self._gate(mean).item() > 0:
                offset = voice(self._classifier(mean)[0].double().cpu().numpy())
                values[row] -= self._step @ torch.from_numpy(offset).to(values)
        return values, mask
