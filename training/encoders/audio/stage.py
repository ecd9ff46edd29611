# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train audio`: WaveRNN on waveform and spectrogram, and its classifier (section 4.1.2)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Self

from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.hub_audio_encoder import HubAudioConfig, HubAudioEncoder
from mmer_ros.networks.pretrained import load_wavernn
from mmer_ros.types import EMOTIONS, Modality
from pydantic import Field, field_validator, model_validator, SerializeAsAny
import torch
from torch import nn
from training.encoders.audio.data import AudioData, AudioDataConfig
from training.encoders.audio.ensemble import side_by_side
from training.encoders.audio.whisper_distillation import (
    make_states,
    UnexplainedVariance,
    WhisperTeacherConfig,
)
from training.encoders.signal_stage import SignalConfig, train_signal
from training.encoders.trained_encoder import TrainedEncoder
from training.encoders.tuning import (
    check_tuning,
    KeepsFrozen,
    merge,
    parse_model,
    prepare,
    start_hub_encoder,
    TuningConfig,
)
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.preparation.clip_cache import ClipCache


class RegularisationConfig(Settings):
    """
    Regularisation for a small corpus.

    :param dropout: of the pooled features before the classifier.
    :param wave_dropout: share of the utterances whose waveform is hidden, so that only the
        spectrogram is seen: single samples identify voices rather than emotions.
    """

    dropout: float = Field(0.0, ge=0, lt=1)
    wave_dropout: float = Field(0.0, ge=0, le=1)


class AudioConfig(SignalConfig):
    """
    Recipe of an audio encoder.

    `init` names the published WaveRNN to start from: 'ljspeech', or a file; with
    `model.backbone: huggingface` any published speech model, by name or folder.

    :param teacher: a published speech encoder whose states are learnt beside the emotions.
    :param gradient_checkpointing: compute the inner values of the recurrent layers again for the
        backward pass, window by window. A step takes a third longer, and the same memory for
        utterances of any length; the gradients are those of all steps.
    :param ensemble: networks that differ in the seed; side by side they become one network of
        that many times the width. No two seeds of a recipe share a network.
    """

    gradient_checkpointing: bool = False
    ensemble: int = Field(1, ge=1, le=8)
    model: SerializeAsAny[AudioEncoderConfig | HubAudioConfig] = AudioEncoderConfig()
    tuning: TuningConfig = TuningConfig()
    data: AudioDataConfig = AudioDataConfig()
    teacher: WhisperTeacherConfig | None = None
    regularisation: RegularisationConfig = RegularisationConfig()

    @field_validator('model', mode='before')
    @classmethod
    def _model(cls, values: Any) -> Any:
        return parse_model(Modality.AUDIO, values)

    @model_validator(mode='after')
    def _check(self) -> Self:
        check_tuning(self.model, self.init, self.tuning)
        if isinstance(self.model, HubAudioConfig) and (
                self.ensemble > 1 or self.teacher or self.gradient_checkpointing
                or self.regularisation != RegularisationConfig()):
            raise ValueError('model.backbone huggingface: ensemble, teacher, regularisation and '
                             'gradient_checkpointing are for WaveRNN; leave them out, and set '
                             'model.dropout and tuning.gradient_checkpointing')
        return self


class HubAudioModule(KeepsFrozen):
    """HubAudioEncoder and its classifier over the mean of the features."""

    def __init__(self, encoder: HubAudioEncoder, emotion_loss: EmotionLoss) -> None:
        super().__init__()
        self.encoder, self.emotion_loss = encoder, emotion_loss

    def forward(self, batch: Batch) -> StepOutput:
        features, mask = self.encoder(batch['values'], batch['lengths'])  # (B, T, width)
        logits = self.encoder.classifier(summary(Modality.AUDIO, features.float(), mask))
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


class AudioModule(nn.Module):
    """
    AudioEncoder and its classifier over the mean of the features.

    :param teacher: whose states the features are trained to predict.
    :param checkpointing: as of AudioConfig.gradient_checkpointing.
    """

    def __init__(self, encoder: AudioEncoder, config: RegularisationConfig,
                 teacher: WhisperTeacherConfig | None, emotion_loss: EmotionLoss, *,
                 checkpointing: bool = False) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.encoder, self.config, self.emotion_loss = encoder, config, emotion_loss
        self.weight = teacher.weight if teacher else 0.0
        self.distillation = UnexplainedVariance(encoder.width, teacher.width) if teacher else None

    def forward(self, batch: Batch) -> StepOutput:
        with torch.autocast(batch['values'].device.type, enabled=False):  # decibels need float32
            wave, frames = self.encoder.inputs(batch['values'])
        if self.training:
            kept = torch.rand(len(wave), 1, device=wave.device) >= self.config.wave_dropout
            wave = wave * kept
        features, mask = self.encoder.features(wave, frames, batch['lengths'],
                                               checkpointing=self.checkpointing)
        features = features.float()  # (B, T, width)
        pooled = summary(Modality.AUDIO, features, mask)  # (B, width)
        if self.training:
            pooled = nn.functional.dropout(pooled, self.config.dropout)
        logits = self.encoder.classifier(pooled)  # (B, 7)
        loss = self.emotion_loss(logits, batch['targets'])
        if self.distillation is None or 'states' not in batch:
            return StepOutput(loss, logits, {})
        unexplained = self.distillation(features, mask, batch['states'])
        return StepOutput(loss + self.weight * unexplained, logits,
                          {'emotion': loss, 'unexplained': unexplained})


def train_audio(config: AudioConfig, cache: ClipCache, folder: Path, reporter: Reporter, *,
                states: Path | None = None) -> TrainedEncoder:
    """
    Train, or resume training, an audio encoder, and save it in `folder`/encoder.

    The networks of an ensemble have runs of their own in `folder`/ensemble.

    :param states: folder of the teacher's states, which runs may share; None: `folder`/states.
    """
    run = RunFolder.start(folder, config)
    states = states or folder / 'states'
    if isinstance(config.model, HubAudioConfig):
        return _train_hub_network(config, config.model, cache, run, reporter)
    if config.ensemble == 1:
        return _train_network(config, cache, run, states, reporter)
    trained = []
    for index in range(config.ensemble):
        seed = config.engine.seed * config.ensemble + index
        engine = config.engine.model_copy(update={'seed': seed})
        own = config.model_copy(update={'engine': engine})
        trained.append(_train_network(
            own, cache, RunFolder.start(folder / 'ensemble' / str(index), own), states,
            reporter.named(f'{reporter.title}/{index}')))
    whole = side_by_side([each.encoder for each in trained])
    result = TrainedEncoder(Modality.AUDIO, whole.config, whole,
                            {'ensemble': [dict(each.facts) for each in trained]})
    result.save(folder / 'encoder')
    return result


def _train_hub_network(config: AudioConfig, model: HubAudioConfig, cache: ClipCache,
                       run: RunFolder, reporter: Reporter) -> TrainedEncoder:
    torch.manual_seed(config.engine.seed)
    encoder = start_hub_encoder(model, config.init, Modality.AUDIO, run.path,
                                finished=run.finished)
    prepare(encoder, Modality.AUDIO, config.tuning)

    def module(loss: EmotionLoss) -> HubAudioModule:
        made = HubAudioModule(encoder, loss)
        made.frozen = config.tuning.method == 'frozen'
        return made

    return train_signal(
        Modality.AUDIO, config, encoder, module, partial(AudioData, cache, config.data, None),
        cache, run, reporter, finish=partial(merge, encoder, Modality.AUDIO, config.tuning))


def _train_network(config: AudioConfig, cache: ClipCache, run: RunFolder, states: Path,
                   reporter: Reporter) -> TrainedEncoder:
    torch.manual_seed(config.engine.seed)
    assert isinstance(config.model, AudioEncoderConfig)
    encoder = AudioEncoder(config.model, len(EMOTIONS))
    if config.init and not run.finished:
        load_wavernn(encoder, config.init)
    teacher_states = make_states(
        config.teacher, config.data.speech.speed, config.model.hop_length, cache, states,
        reporter.console) if config.teacher and not run.finished else None
    return train_signal(
        Modality.AUDIO, config, encoder,
        partial(AudioModule, encoder, config.regularisation, config.teacher,
                checkpointing=config.gradient_checkpointing),
        partial(AudioData, cache, config.data, teacher_states), cache, run, reporter)
