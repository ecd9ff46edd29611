"""Stage `train audio`: WaveRNN on waveform and spectrogram with its classifier (section 4.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmer_ros.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.batching import as_float
from mmer_ros.pretrained import load_wavernn
from mmer_ros.types import EMOTIONS, InvalidInput, Modality, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from torch import nn, Tensor
from torch.utils.data import Dataset
from training.corpora.examples import Example
from training.encoders import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, fit, StepOutput, Task
from training.engine.losses import class_counts, EmotionLoss, LossConfig, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


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


class AudioConfig(Settings):
    """
    Recipe of an audio encoder.

    :param init: published WaveRNN to begin with ('ljspeech', or a file); '': from scratch.
    """

    model: AudioEncoderConfig = AudioEncoderConfig()
    init: str = ''
    data: AudioDataConfig = AudioDataConfig()
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()


class AudioItem(NamedTuple):
    """Sound of an utterance, (n,) float32 in [-1, 1], and its emotion."""

    key: str
    samples: Tensor
    target: Tensor


class AudioData(Dataset[AudioItem]):
    """Utterances with sound."""

    def __init__(self, cache: ClipCache, examples: Sequence[Example], config: AudioDataConfig, *,
                 training: bool) -> None:
        """Take the examples; each has audio in the cache."""
        self.cache, self.examples, self.config = cache, examples, config
        self.training = training
        limit = config.train_s if training else config.eval_s
        self.limit = round(limit * SAMPLE_RATE)
        self.sizes = [min(self.limit, cache.sizes(e.key)[0]) for e in examples]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> AudioItem:
        """Return one utterance as drawn."""
        example = self.examples[draw.row]
        raw = self.cache.audio(example.key)
        assert raw is not None, example.key
        samples = as_float(raw)
        if self.training:
            samples = augmented(samples, self.limit, self.config, draw.generator())
        samples = np.ascontiguousarray(samples[:self.limit], np.float32)
        return AudioItem(example.key, torch.from_numpy(samples), target_of(example.labels))


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
        features, mask = self.encoder(batch['audio'], batch['lengths'])
        mean = (features * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        logits = self.encoder.classifier(mean)
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


class AudioTask(Task):
    """The utterances of a cache that have sound."""

    def __init__(self, module: AudioModule, cache: ClipCache, config: AudioDataConfig) -> None:
        """Split the examples."""
        heard = [e for e in cache.examples if e.labels and cache.sizes(e.key)[0]]
        parts = {split: [e for e in heard if e.split == split] for split in ('train', 'dev')}
        for split, part in parts.items():
            if not part:
                raise InvalidInput(f'train audio: no labelled sound in the {split} split of '
                                   f'{cache.folder}; prepare a corpus that has some')
        self.module = module
        learned = AudioData(cache, parts['train'], config, training=True)
        tried = AudioData(cache, parts['dev'], config, training=False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[AudioItem]) -> Batch:
        """Pad the sound with zeros."""
        audio = nn.utils.rnn.pad_sequence([i.samples for i in items], batch_first=True)
        return {'keys': [i.key for i in items], 'audio': audio,
                'lengths': torch.tensor([len(i.samples) for i in items]),
                'targets': torch.stack([i.target for i in items])}


def train_audio(config: AudioConfig, cache: ClipCache, folder: Path, reporter: Reporter
                ) -> TrainedEncoder:
    """Train, or go on training, an audio encoder; the result is in `folder`/encoder."""
    run = RunFolder.take_up(folder, config)
    torch.manual_seed(config.engine.seed)
    encoder = AudioEncoder(config.model, len(EMOTIONS))
    if config.init:
        load_wavernn(encoder, config.init)
    counts = class_counts([e.labels for e in cache.examples if e.split == 'train'])
    module = AudioModule(encoder, EmotionLoss(config.loss, counts))
    fit(AudioTask(module, cache, config.data), config.engine, run, reporter.named('audio'))
    result = TrainedEncoder(Modality.AUDIO, config.model, encoder, run.facts())
    result.save(folder / 'encoder')
    return result
