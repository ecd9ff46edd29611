"""Stage `train audio`: WaveRNN on waveform and spectrogram with its classifier (section 4.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmer_ros.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.batching import as_float
from mmer_ros.pretrained import load_wavernn
from mmer_ros.types import EMOTIONS, Float32, Modality, SAMPLE_RATE
import numpy as np
from pydantic import Field
import torch
from torch import nn, Tensor
from training.augment.speech import speech_span, SpeechConfig, worsened
from training.augment.voiceless import voiceless
from training.corpora.examples import Example
from training.encoders import summary, TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache
from training.signal_stage import SignalConfig, SignalData, SignalItem, train_signal


class AudioDataConfig(Settings):
    """
    What is done to the sound.

    :param train_s: longer utterances are cut to a random window of this length in training;
        of the silence before and after the speech a random part is left.
    :param eval_s: and to their first seconds in evaluation.
    :param speech: how it is worsened in training.
    :param plain_epochs: first epochs, of the speech alone, cut to it and not worsened, which is
        learnt faster.
    :param voiceless: share of the examples after these that are sounds without a voice or
        silence instead, of which nothing can be told.
    """

    train_s: float = Field(3.0, gt=0)
    eval_s: float = Field(15.0, gt=0)
    speech: SpeechConfig = SpeechConfig()
    plain_epochs: int = Field(0, ge=0)
    voiceless: float = Field(0.0, ge=0, lt=1)


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
    """

    model: AudioEncoderConfig = AudioEncoderConfig()
    data: AudioDataConfig = AudioDataConfig()
    regularisation: RegularisationConfig = RegularisationConfig()


class AudioData(SignalData):
    """Sound of utterances, (n,) float32 in [-1, 1]."""

    def __init__(self, cache: ClipCache, config: AudioDataConfig, examples: Sequence[Example],
                 training: bool) -> None:
        """Take the examples; each has audio in the cache."""
        self.cache, self.config = cache, config
        self.limit = round((config.train_s if training else config.eval_s) * SAMPLE_RATE)
        sizes = [min(self.limit, cache.sizes(e.key)[0]) for e in examples]
        super().__init__(examples, sizes, training)

    def __getitem__(self, draw: Draw) -> SignalItem:
        """Return one utterance as drawn, or a sound of which every emotion is as probable."""
        # Numbers of its own: with those of the augmentation, what is left would not be random.
        random = np.random.default_rng([draw.seed, draw.epoch, draw.row, 1])
        late = self.training and draw.epoch >= self.config.plain_epochs
        if late and random.random() < self.config.voiceless:
            key = f'{self.examples[draw.row].key} (voiceless)'
            flat = torch.full((len(EMOTIONS),), 1 / len(EMOTIONS))
            count = int(random.integers(self.limit // 4, self.limit + 1))
            return SignalItem(key, torch.from_numpy(voiceless(count, random)), flat)
        return super().__getitem__(draw)

    def values(self, key: str, draw: Draw) -> Tensor:
        """Return the samples of an utterance."""
        samples = self._samples(key)
        if self.training and draw.epoch < self.config.plain_epochs:
            samples = self._plain(samples, draw.generator())
        elif self.training:
            random = draw.generator()
            samples = worsened(self._cut(samples, random), self.config.speech, random, self._other)
        return torch.from_numpy(np.ascontiguousarray(samples[:self.limit], np.float32))

    def _plain(self, samples: Float32, random: np.random.Generator) -> Float32:
        """Return the speech, or a random window of it, at another speed and level."""
        begin, end = speech_span(samples)
        begin += int(random.integers(max(1, end - begin - self.limit + 1)))
        gentle = SpeechConfig(speed=self.config.speech.speed, gain_db=self.config.speech.gain_db)
        return worsened(samples[begin:min(end, begin + self.limit)], gentle, random, self._other)

    def _cut(self, samples: Float32, random: np.random.Generator) -> Float32:
        """Return a random window; of short utterances, with random silence around the speech."""
        longest = round(self.limit * (1 + self.config.speech.speed))
        begin, end = speech_span(samples)
        first, last = int(random.integers(begin + 1)), int(random.integers(end, len(samples) + 1))
        first += int(random.integers(max(1, last - first - longest + 1)))
        return samples[first:min(last, first + longest)]

    def _other(self, random: np.random.Generator) -> Float32:
        return self._samples(self.examples[int(random.integers(len(self)))].key)

    def _samples(self, key: str) -> Float32:
        raw = self.cache.audio(key)
        assert raw is not None, key
        return as_float(raw)


class AudioModule(nn.Module):
    """AudioEncoder and its own two-layer classifier over the mean of the features."""

    def __init__(self, encoder: AudioEncoder, config: RegularisationConfig,
                 emotion_loss: EmotionLoss) -> None:
        """Take the encoder."""
        super().__init__()
        self.encoder, self.config, self.emotion_loss = encoder, config, emotion_loss

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch."""
        with torch.autocast(batch['values'].device.type, enabled=False):  # decibels want float32
            wave, frames = self.encoder.inputs(batch['values'])
        if self.training:
            frames = masked(frames, self.config, self.encoder.config)
            kept = torch.rand(len(wave), 1, device=wave.device) >= self.config.wave_dropout
            wave = wave * kept
        features, mask = self.encoder.features(wave, frames, batch['lengths'])
        pooled, targets = summary(Modality.AUDIO, features.float(), mask), batch['targets']
        if self.training:
            pooled, targets = mixed(pooled, targets, self.config.mixup)
            pooled = nn.functional.dropout(pooled, self.config.dropout)
        logits = self.encoder.classifier(pooled)
        return StepOutput(self.emotion_loss(logits, targets), logits, {})


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


def train_audio(config: AudioConfig, cache: ClipCache, folder: Path, reporter: Reporter
                ) -> TrainedEncoder:
    """Train, or go on training, an audio encoder; the result is in `folder`/encoder."""
    run = RunFolder.take_up(folder, config)
    torch.manual_seed(config.engine.seed)
    encoder = AudioEncoder(config.model, len(EMOTIONS))
    if config.init and not run.finished:
        load_wavernn(encoder, config.init)
    return train_signal(Modality.AUDIO, config, encoder,
                        partial(AudioModule, encoder, config.regularisation),
                        partial(AudioData, cache, config.data), cache, run, reporter)
