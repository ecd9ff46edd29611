"""Sound as the audio encoder learns from it: the speech alone first, then as a robot hears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmer_ros.networks.batching import as_float
from mmer_ros.types import EMOTIONS, Float32, SAMPLE_RATE
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from training.augment.speech import at_speed, speech_span, SpeechConfig, worsened
from training.augment.voiceless import voiceless
from training.corpora.examples import Example
from training.encoders.audio.whisper_distillation import SpeechStates
from training.encoders.signal_stage import collate_sequences, SignalData, SignalItem
from training.engine.config import Settings
from training.engine.fit import Batch
from training.engine.losses import target_of
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


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


@dataclass(frozen=True)
class AudioItem(SignalItem):
    """An utterance, and what a teacher made of it, (hops, width); None without a teacher."""

    states: Tensor | None


class AudioData(SignalData):
    """
    Sound of utterances, (n,) float32 in [-1, 1].

    :param states: of a teacher; None: without, as in evaluation.
    """

    def __init__(self, cache: ClipCache, config: AudioDataConfig, states: SpeechStates | None,
                 examples: Sequence[Example], training: bool) -> None:
        """Take the examples; each has audio in the cache."""
        self.cache, self.config = cache, config
        self.states = states if training else None
        self.limit = round((config.train_s if training else config.eval_s) * SAMPLE_RATE)
        sizes = [min(self.limit, cache.sizes(e.key)[0]) for e in examples]
        super().__init__(examples, sizes, training)

    def __getitem__(self, draw: Draw) -> AudioItem:
        """Return one utterance as drawn, or a sound of which every emotion is as probable."""
        # Numbers of its own: with those of the augmentation, what is left would not be random.
        random = np.random.default_rng([draw.seed, draw.epoch, draw.row, 1])
        late = self.training and draw.epoch >= self.config.plain_epochs
        example = self.examples[draw.row]
        if late and random.random() < self.config.voiceless:
            flat = torch.full((len(EMOTIONS),), 1 / len(EMOTIONS))
            count = int(random.integers(self.limit // 4, self.limit + 1))
            return AudioItem(f'{example.key} (voiceless)',
                             torch.from_numpy(voiceless(count, random)), flat, None)
        samples, states = self._heard(example.key, draw)
        return AudioItem(example.key, samples, target_of(example.labels), states)

    def _heard(self, key: str, draw: Draw) -> tuple[Tensor, Tensor | None]:
        """Return the samples of an utterance, and the teacher's states of them."""
        samples = self._samples(key)
        if not self.training:
            return torch.from_numpy(samples[:self.limit]), None
        random, speech = draw.generator(), self.config.speech
        plain = draw.epoch < self.config.plain_epochs
        number, speed = self._speed(random)
        samples = at_speed(samples, speed)
        begin, end = self._window(samples, plain, random)
        changes = SpeechConfig(gain_db=speech.gain_db, level=speech.level) if plain else (
            speech.model_copy(update={'speed': 0.0}))
        heard = worsened(samples[begin:end], changes, random, self._other)
        states = None if self.states is None else self.states.get(key, number, begin, end - begin)
        return torch.from_numpy(np.ascontiguousarray(heard, np.float32)), states

    def collate(self, items: Sequence[AudioItem]) -> Batch:
        """Pad the sequences; where there is no state of the teacher, it is NaN."""
        batch = collate_sequences(items)
        if self.states is not None:
            batch['states'] = pad_sequence([self._states(item) for item in items],
                                           batch_first=True, padding_value=torch.nan)
        return batch

    def _states(self, item: AudioItem) -> Tensor:
        """Return the teacher's states of an item, NaN for a sound without a voice."""
        assert self.states is not None
        if item.states is not None:
            return item.states
        hops = -(-len(item.values) // self.states.hop)
        return torch.full((hops, self.states.width), torch.nan)

    def _speed(self, random: np.random.Generator) -> tuple[int, float]:
        """Draw a speed; its number if the teacher heard some only."""
        if self.states is None:
            return 0, 1 + random.uniform(-1, 1) * self.config.speech.speed
        number = int(random.integers(len(self.states.speeds)))
        return number, self.states.speeds[number]

    def _window(self, samples: Float32, plain: bool, random: np.random.Generator
                ) -> tuple[int, int]:
        """Draw a part, from one sample to another: of the speech, or with silence around it."""
        begin, end = speech_span(samples)
        if not plain:
            begin, end = (int(random.integers(begin + 1)),
                          int(random.integers(end, len(samples) + 1)))
        begin += int(random.integers(max(1, end - begin - self.limit + 1)))
        if self.states is not None:
            begin -= begin % self.states.hop
        return begin, min(end, begin + self.limit)

    def _other(self, random: np.random.Generator) -> Float32:
        return self._samples(self.examples[int(random.integers(len(self)))].key)

    def _samples(self, key: str) -> Float32:
        raw = self.cache.audio(key)
        assert raw is not None, key
        return as_float(raw)
