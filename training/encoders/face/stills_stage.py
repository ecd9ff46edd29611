"""Stage `train face` on single pictures: the CNN, then the GRU over sequences made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from mmer_ros.networks.compact_facenet import CompactFaceNet
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.types import EMOTIONS, Modality
from pydantic import model_validator
import torch
from training.corpora.fer import Stills
from training.encoders.face.classifier import StillClassifier, StillTask
from training.encoders.face.sequences import SequenceConfig, SequenceTask, Views
from training.encoders.face.stills import labelled_stills, StillDataConfig
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import EngineConfig, fit
from training.engine.losses import class_counts, EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder


class StillsConfig(Settings):
    """
    Recipe of a face encoder that is trained on single pictures.

    :param engine: of the CNN.
    :param sequences: of the GRU, over the embeddings of the CNN as it is then.
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
    Train, or go on training, a face encoder; the result is in `folder`/encoder.

    :param folder: of the run, with the folders cnn and gru for its two phases.
    """
    RunFolder.take_up(folder, config)
    parts = labelled_stills(stills)
    counts = class_counts([e.labels for e in parts['train']])
    torch.manual_seed(config.engine.seed)
    encoder = FaceEncoder(config.model, len(EMOTIONS))
    assert isinstance(encoder.facenet, CompactFaceNet)
    first = RunFolder.take_up(folder / 'cnn', config.engine)
    classifier = StillClassifier(encoder.facenet, EmotionLoss(config.loss, counts))
    fit(StillTask(classifier, stills, parts, config.data), config.engine, first,
        reporter.named('face/cnn'))
    views = Views.make(classifier, stills, parts, config.data, config.sequences,
                       folder / 'views', reporter)
    torch.manual_seed(config.sequences.engine.seed)
    second = RunFolder.take_up(folder / 'gru', config.sequences.engine)
    fit(SequenceTask(encoder, EmotionLoss(config.loss, counts), views, parts, config.sequences),
        config.sequences.engine, second, reporter.named('face/gru'))
    facts = {'cnn': first.facts(), 'gru': second.facts()}
    result = TrainedEncoder(Modality.FACE, config.model, encoder.requires_grad_(True), facts)
    result.save(folder / 'encoder')
    return result
