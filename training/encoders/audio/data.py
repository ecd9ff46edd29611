# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training data of the audio encoder: bare speech in the first epochs, then speech as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Float32, SAMPLE_RATE
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from training.augment.out_of_domain import non_speech
from training.augment.speech import at_speed, degraded, speech_span, SpeechConfig
from training.corpora.examples import Example
from training.encoders.audio.whisper_distillation import WhisperStates
from training.encoders.signal_stage import collate_sequences, SignalData, SignalItem
from training.engine.config import Settings
from training.engine.fit import Batch
from training.engine.losses import target_of, UNIFORM
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


class AudioDataConfig(Settings):
    """
    Windows and augmentation of the audio.

    :param train_s: seconds of the random window that longer utterances are cut to in training. A
        random part of the silence before and after the speech is kept.
    :param eval_s: seconds that longer utterances are cut to in evaluation.
    :param speech: augmentation in training.
    :param plain_epochs: first epochs, in which the speech is cut out and not augmented: the
        network learns faster.
    :param non_speech: share of later examples that are replaced by sounds other than speech, or
        silence; their target is uniform.
    """

    train_s: float = Field(3.0, gt=0)
    eval_s: float = Field(15.0, gt=0)
    speech: SpeechConfig = SpeechConfig()
    plain_epochs: int = Field(0, ge=0)
    non_speech: float = Field(0.0, ge=0, lt=1)


@dataclass(frozen=True)
class AudioItem(SignalItem):
    """Audio of an utterance and the teacher's states of it, (hops, width); None without them."""

    states: Tensor | None


class AudioData(SignalData):
    """
    Audio of utterances, (n,) float32 in [-1, 1].

    :param states: of a teacher; None without one.
    """

    def __init__(self, cache: ClipCache, config: AudioDataConfig, states: WhisperStates | None,
                 examples: Sequence[Example], training: bool) -> None:
        self.cache, self.config = cache, config
        self.states = states if training else None
        self.limit = round((config.train_s if training else config.eval_s) * SAMPLE_RATE)
        sizes = [min(self.limit, cache.sizes(e.key)[0]) for e in examples]
        super().__init__(examples, sizes, training)

    def __getitem__(self, draw: Draw) -> AudioItem:
        # A generator of its own: with that of the augmentation, what follows would depend on it.
        random = np.random.default_rng([draw.seed, draw.epoch, draw.row, 1])
        late = self.training and draw.epoch >= self.config.plain_epochs
        example = self.examples[draw.row]
        if late and random.random() < self.config.non_speech:
            count = int(random.integers(self.limit // 4, self.limit + 1))
            return AudioItem(f'{example.key} (non-speech)',
                             torch.from_numpy(non_speech(count, random)), UNIFORM, None)
        samples, states = self._utterance(example.key, draw)
        return AudioItem(example.key, samples, target_of(example.target), states)

    def _utterance(self, key: str, draw: Draw) -> tuple[Tensor, Tensor | None]:
        samples = self._samples(key)
        if not self.training:
            return torch.from_numpy(samples[:self.limit]), None
        random, speech = draw.generator(), self.config.speech
        plain = draw.epoch < self.config.plain_epochs
        number, speed = self._draw_speed(random)
        samples = at_speed(samples, speed)
        begin, end = self._draw_window(samples, plain, random)
        changes = SpeechConfig(gain_db=speech.gain_db, level=speech.level) if plain else (
            speech.model_copy(update={'speed': 0.0}))
        changed = degraded(samples[begin:end], changes, random, self._draw_other)
        states = None if self.states is None else self.states.get(key, number, begin, end - begin)
        return torch.from_numpy(np.ascontiguousarray(changed, np.float32)), states

    def collate(self, items: Sequence[AudioItem]) -> Batch:
        """Return a padded batch; missing states of the teacher are NaN."""
        batch = collate_sequences(items)
        if self.states is not None:
            batch['states'] = pad_sequence([self._states_of(item) for item in items],
                                           batch_first=True, padding_value=torch.nan)
        return batch

    def _states_of(self, item: AudioItem) -> Tensor:
        assert self.states is not None
        if item.states is not None:
            return item.states
        hops = -(-len(item.values) // self.states.hop)
        return torch.full((hops, self.states.width), torch.nan)

    def _draw_speed(self, random: np.random.Generator) -> tuple[int, float]:
        """Return the number of a speed and the speed; with a teacher one that has its states."""
        if self.states is None:
            return 0, 1 + random.uniform(-1, 1) * self.config.speech.speed
        number = int(random.integers(len(self.states.speeds)))
        return number, self.states.speeds[number]

    def _draw_window(self, samples: Float32, plain: bool, random: np.random.Generator
                     ) -> tuple[int, int]:
        """Return begin and end of a window of the speech, with silence around it unless plain."""
        begin, end = speech_span(samples)
        if not plain:
            begin, end = (int(random.integers(begin + 1)),
                          int(random.integers(end, len(samples) + 1)))
        begin += int(random.integers(max(1, end - begin - self.limit + 1)))
        if self.states is not None:
            begin -= begin % self.states.hop
        return begin, min(end, begin + self.limit)

    def _draw_other(self, random: np.random.Generator) -> Float32:
        return self._samples(self.examples[int(random.integers(len(self)))].key)

    def _samples(self, key: str) -> Float32:
        raw = self.cache.audio(key)
        assert raw is not None, key
        return as_float(raw)
