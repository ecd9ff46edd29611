"""Stage `train audio`: WaveRNN on waveform and spectrogram with its classifier (section 4.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmer_ros.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.batching import as_float
from mmer_ros.pretrained import load_wavernn
from mmer_ros.types import EMOTIONS, Modality, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from torch import nn, Tensor
from training.corpora.examples import Example
from training.encoders import summary, TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache
from training.signal_stage import SignalConfig, SignalData, train_signal


class AudioDataConfig(Settings):
    """
    What is done to the sound.

    :param train_s: longer utterances are cut to a random window of this length in training.
    :param eval_s: and to their first seconds in evaluation.
    :param gain_db: range of a random gain, either way.
    :param noise_db: lowest signal-to-noise ratio of white noise that is added; None: none is.
    """

    train_s: float = Field(3.0, gt=0)
    eval_s: float = Field(15.0, gt=0)
    gain_db: float = Field(6.0, ge=0)
    noise_db: float | None = 15.0


class AudioConfig(SignalConfig):
    """
    Recipe of an audio encoder.

    `init` is the published WaveRNN to begin with: 'ljspeech', or a file.
    """

    model: AudioEncoderConfig = AudioEncoderConfig()
    data: AudioDataConfig = AudioDataConfig()


class AudioData(SignalData):
    """Sound of utterances, (n,) float32 in [-1, 1]."""

    def __init__(self, cache: ClipCache, config: AudioDataConfig, examples: Sequence[Example],
                 training: bool) -> None:
        """Take the examples; each has audio in the cache."""
        self.cache, self.config = cache, config
        self.limit = round((config.train_s if training else config.eval_s) * SAMPLE_RATE)
        sizes = [min(self.limit, cache.sizes(e.key)[0]) for e in examples]
        super().__init__(examples, sizes, training)

    def values(self, key: str, draw: Draw) -> Tensor:
        """Return the samples of an utterance."""
        raw = self.cache.audio(key)
        assert raw is not None, key
        samples = as_float(raw)
        if self.training:
            samples = augmented(samples, self.limit, self.config, draw.generator())
        return torch.from_numpy(np.ascontiguousarray(samples[:self.limit], np.float32))


def augmented(samples: NDArray[np.float32], limit: int, config: AudioDataConfig,
              random: np.random.Generator) -> NDArray[np.float32]:
    """Return a random window with random gain and noise."""
    start = int(random.integers(max(1, len(samples) - limit + 1)))
    window = samples[start:start + limit]
    window = window * np.float32(10 ** (random.uniform(-1, 1) * config.gain_db / 20))
    if config.noise_db is not None:
        ratio = random.uniform(config.noise_db, config.noise_db + 30)
        level = np.sqrt(np.mean(window ** 2)) * 10 ** (-ratio / 20)
        window = window + (level * random.standard_normal(len(window))).astype(np.float32)
    result: NDArray[np.float32] = np.clip(window, -1, 1)
    return result


class AudioModule(nn.Module):
    """AudioEncoder and its own two-layer classifier over the mean of the features."""

    def __init__(self, encoder: AudioEncoder, emotion_loss: EmotionLoss) -> None:
        """Take the encoder."""
        super().__init__()
        self.encoder, self.emotion_loss = encoder, emotion_loss

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch."""
        features, mask = self.encoder(batch['values'], batch['lengths'])
        logits = self.encoder.classifier(summary(Modality.AUDIO, features, mask))
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


def train_audio(config: AudioConfig, cache: ClipCache, folder: Path, reporter: Reporter
                ) -> TrainedEncoder:
    """Train, or go on training, an audio encoder; the result is in `folder`/encoder."""
    run = RunFolder.take_up(folder, config)
    torch.manual_seed(config.engine.seed)
    encoder = AudioEncoder(config.model, len(EMOTIONS))
    if config.init and not run.finished:
        load_wavernn(encoder, config.init)
    return train_signal(Modality.AUDIO, config, encoder, partial(AudioModule, encoder),
                        partial(AudioData, cache, config.data), cache, run, reporter)
