"""Sound as the audio encoder learns from it: the speech alone first, then as a robot hears it."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.batching import as_float
from mmer_ros.types import EMOTIONS, Float32, SAMPLE_RATE
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from training.augment.speech import speech_span, SpeechConfig, worsened
from training.augment.voiceless import voiceless
from training.corpora.examples import Example
from training.engine.config import Settings
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache
from training.signal_stage import SignalData, SignalItem


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
        samples, random, speech = self._samples(key), draw.generator(), self.config.speech
        if self.training and draw.epoch < self.config.plain_epochs:
            gentle = SpeechConfig(speed=speech.speed, gain_db=speech.gain_db, level=speech.level)
            samples = worsened(self._speech(samples, random), gentle, random, self._other)
        elif self.training:
            samples = worsened(self._cut(samples, random), speech, random, self._other)
        return torch.from_numpy(np.ascontiguousarray(samples[:self.limit], np.float32))

    def _speech(self, samples: Float32, random: np.random.Generator) -> Float32:
        """Return the speech, or a random window of it."""
        begin, end = speech_span(samples)
        begin += int(random.integers(max(1, end - begin - self.limit + 1)))
        return samples[begin:min(end, begin + self.limit)]

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
