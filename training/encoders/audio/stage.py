"""Stage `train audio`: WaveRNN on waveform and spectrogram with its classifier (section 4.1.2)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.pretrained import load_wavernn
from mmer_ros.types import EMOTIONS, Modality, SAMPLE_RATE
from pydantic import Field
import torch
from torch import nn, Tensor
from training.encoders.audio.data import AudioData, AudioDataConfig
from training.encoders.audio.ensemble import side_by_side
from training.encoders.audio.whisper_distillation import (
    make_states,
    SpeechTeacherConfig,
    UntoldStates,
)
from training.encoders.signal_stage import SignalConfig, train_signal
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.preparation.clip_cache import ClipCache


class RegularisationConfig(Settings):
    """
    What keeps a small corpus from being learnt by heart.

    :param dropout: of the features before the classifier.
    :param wave_dropout: share of the utterances of which only the spectrogram is seen; single
        samples tell voices apart rather than what they feel.
    :param masks: of mel bands, and as many of time, in the spectrogram (SpecAugment, Park 2019).
    :param mask_s: longest mask of time, seconds; one of frequency has a fifth of the bands at
        most.
    :param mixup: alpha of the Beta distribution by which features of two examples are mixed,
        with their targets (Zhang 2018, on the features); 0: none.
    """

    dropout: float = Field(0.0, ge=0, lt=1)
    wave_dropout: float = Field(0.0, ge=0, le=1)
    masks: int = Field(0, ge=0)
    mask_s: float = Field(0.25, ge=0)
    mixup: float = Field(0.0, ge=0)


class AudioConfig(SignalConfig):
    """
    Recipe of an audio encoder.

    `init` is the published WaveRNN to begin with: 'ljspeech', or a file.

    :param teacher: a speech encoder whose states are learnt beside the emotions; None: none.
    :param members: networks that are trained, which differ in the seed; they are put side by side
        in one of so many times the width. No two seeds of the recipe share one.
    """

    members: int = Field(1, ge=1, le=8)
    model: AudioEncoderConfig = AudioEncoderConfig()
    data: AudioDataConfig = AudioDataConfig()
    teacher: SpeechTeacherConfig | None = None
    regularisation: RegularisationConfig = RegularisationConfig()


class AudioModule(nn.Module):
    """
    AudioEncoder and its own two-layer classifier over the mean of the features.

    :param teacher: whose states the features are to tell in training, too.
    """

    def __init__(self, encoder: AudioEncoder, config: RegularisationConfig,
                 teacher: SpeechTeacherConfig | None, emotion_loss: EmotionLoss) -> None:
        """Take the encoder."""
        super().__init__()
        self.encoder, self.config, self.emotion_loss = encoder, config, emotion_loss
        self.weight = teacher.weight if teacher else 0.0
        self.untold = UntoldStates(encoder.width, teacher.width) if teacher else None

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch."""
        with torch.autocast(batch['values'].device.type, enabled=False):  # decibels want float32
            wave, frames = self.encoder.inputs(batch['values'])
        if self.training:
            frames = masked(frames, self.config, self.encoder.config)
            kept = torch.rand(len(wave), 1, device=wave.device) >= self.config.wave_dropout
            wave = wave * kept
        features, mask = self.encoder.features(wave, frames, batch['lengths'])
        features = features.float()
        pooled, targets = summary(Modality.AUDIO, features, mask), batch['targets']
        if self.training:
            pooled, targets = mixed(pooled, targets, self.config.mixup)
            pooled = nn.functional.dropout(pooled, self.config.dropout)
        logits = self.encoder.classifier(pooled)
        loss = self.emotion_loss(logits, targets)
        if self.untold is None or 'states' not in batch:
            return StepOutput(loss, logits, {})
        untold = self.untold(features, mask, batch['states'])
        return StepOutput(loss + self.weight * untold, logits,
                          {'emotion': loss, 'untold': untold})


def masked(frames: Tensor, config: RegularisationConfig, sizes: AudioEncoderConfig) -> Tensor:
    """Return spectrograms (B, bands, frames), parts of them replaced by their mean."""
    if not config.masks:
        return frames
    rows, bands, steps = frames.shape
    most = min(steps, round(config.mask_s * SAMPLE_RATE / sizes.hop_length))
    hidden = torch.zeros_like(frames, dtype=torch.bool)
    for _ in range(config.masks):
        hidden |= _stripes(rows, bands, bands // 5, frames.device)[:, :, None]
        hidden |= _stripes(rows, steps, most, frames.device)[:, None, :]
    return torch.where(hidden, frames.mean(dim=(1, 2), keepdim=True), frames)


def _stripes(rows: int, size: int, most: int, device: torch.device) -> Tensor:
    """Return a random run of up to `most` places in each row, (rows, size) bool."""
    width = torch.randint(0, most + 1, (rows, 1), device=device)
    start = (torch.rand(rows, 1, device=device) * (size - width + 1)).long()
    places = torch.arange(size, device=device)
    return (places >= start) & (places < start + width)


def mixed(pooled: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Return each row mixed with another one, and its target likewise."""
    if not alpha:
        return pooled, targets
    share = torch.distributions.Beta(alpha, alpha).sample((len(pooled), 1)).to(pooled)
    other = torch.randperm(len(pooled), device=pooled.device)
    return (share * pooled + (1 - share) * pooled[other],
            share * targets + (1 - share) * targets[other])


def train_audio(config: AudioConfig, cache: ClipCache, folder: Path, reporter: Reporter, *,
                states: Path | None = None) -> TrainedEncoder:
    """
    Train, or go on training, an audio encoder; the result is in `folder`/encoder.

    Several members have runs of their own in `folder`/members.

    :param states: where those of the teacher are kept, for runs to share; None: `folder`/states.
    """
    run = RunFolder.take_up(folder, config)
    states = states or folder / 'states'
    if config.members == 1:
        return _train_member(config, cache, run, states, reporter)
    trained = []
    for index in range(config.members):
        seed = config.engine.seed * config.members + index
        engine = config.engine.model_copy(update={'seed': seed})
        own = config.model_copy(update={'engine': engine})
        member = RunFolder.take_up(folder / 'members' / str(index), own)
        trained.append(_train_member(own, cache, member, states,
                                     reporter.named(f'{reporter.title}/{index}')))
    whole = side_by_side([each.encoder for each in trained])
    result = TrainedEncoder(Modality.AUDIO, whole.config, whole,
                            {'members': [dict(each.facts) for each in trained]})
    result.save(folder / 'encoder')
    return result


def _train_member(config: AudioConfig, cache: ClipCache, run: RunFolder, states: Path,
                  reporter: Reporter) -> TrainedEncoder:
    torch.manual_seed(config.engine.seed)
    encoder = AudioEncoder(config.model, len(EMOTIONS))
    if config.init and not run.finished:
        load_wavernn(encoder, config.init)
    taught = make_states(
        config.teacher, config.data.speech.speed, config.model.hop_length, cache, states,
        reporter.console) if config.teacher and not run.finished else None
    return train_signal(
        Modality.AUDIO, config, encoder,
        partial(AudioModule, encoder, config.regularisation, config.teacher),
        partial(AudioData, cache, config.data, taught), cache, run, reporter)
