# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train face` on single pictures: the CNN, then the GRU over synthetic sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from mmer_ros.networks.compact_facenet import CompactFaceNet
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.types import EMOTIONS, Modality
from pydantic import model_validator
import torch
from training.corpora.examples import DEV, TRAIN
from training.corpora.fer import Stills
from training.encoders.face.classifier import StillClassifier
from training.encoders.face.sequences import (
    EmbeddedViews,
    SequenceConfig,
    SequenceData,
    SequenceModule,
)
from training.encoders.face.stills import collate_stills, StillData, StillDataConfig
from training.encoders.signal_stage import collate_sequences, labelled_splits
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import EngineConfig, fit, Task
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder


class StillsConfig(Settings):
    """
    Recipe of a face encoder that is trained on single pictures.

    :param engine: of the CNN.
    :param sequences: of the GRU, over embeddings of the trained CNN.
    """

    model: FaceEncoderConfig = FaceEncoderConfig(backbone='compact')
    data: StillDataConfig = StillDataConfig()
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()
    sequences: SequenceConfig = SequenceConfig()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.model.backbone != 'compact':
            raise ValueError('single grey pictures train the compact network; set '
                             'model.backbone=compact')
        if self.sequences.engine.precision != self.engine.precision:
            raise ValueError('both phases run in one process, with one precision; set '
                             f'sequences.engine.precision={self.engine.precision}')
        return self


def train_stills(config: StillsConfig, stills: Stills, folder: Path, reporter: Reporter
                 ) -> TrainedEncoder:
    """
    Train, or resume training, a face encoder, and save it in `folder`/encoder.

    :param folder: of the run, with the folders cnn and gru for its two phases.
    """
    RunFolder.start(folder, config)
    splits = labelled_splits(stills, Modality.FACE)
    train, dev = splits[TRAIN], splits[DEV]
    loss = EmotionLoss.from_labels(config.loss, [e.labels for e in train])
    torch.manual_seed(config.engine.seed)
    encoder = FaceEncoder(config.model, len(EMOTIONS))
    assert isinstance(encoder.facenet, CompactFaceNet)
    first = RunFolder.start(folder / 'cnn', config.engine)
    classifier = StillClassifier(encoder.facenet, loss)
    fit(Task(classifier, StillData(stills, train, config.data, True),
             StillData(stills, dev, config.data, False), collate_stills),
        config.engine, first, reporter.named('face/cnn'))
    views = EmbeddedViews.make(classifier, stills, splits, config.data, config.sequences,
                               folder / 'views', reporter)
    torch.manual_seed(config.sequences.engine.seed)
    second = RunFolder.start(folder / 'gru', config.sequences.engine)
    fit(Task(SequenceModule(encoder, loss), SequenceData(views, train, config.sequences, True),
             SequenceData(views, dev, config.sequences, False), collate_sequences),
        config.sequences.engine, second, reporter.named('face/gru'))
    facts = {'cnn': first.facts(), 'gru': second.facts()}
    result = TrainedEncoder(Modality.FACE, config.model, encoder.requires_grad_(True), facts)
    result.save(folder / 'encoder')
    return result
