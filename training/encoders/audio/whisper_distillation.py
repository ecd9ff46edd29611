# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Distillation of Whisper: the audio encoder learns to predict its states, hop by hop."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path
from typing import Any

from mmer_ros.networks.batching import as_float
from mmer_ros.networks.pretrained import load_speech_encoder
from mmer_ros.types import Float32, InvalidInput, SAMPLE_RATE
import numpy as np
from pydantic import Field
from rich.console import Console
import torch
from torch import nn, Tensor
from training.augment.speech import at_speed
from training.corpora.examples import TRAIN
from training.engine.config import Settings
from training.engine.device import CPU, default_device
from training.engine.files import fingerprint
from training.engine.tensor_store import make_store, TensorStore
from training.preparation.clip_cache import ClipCache

MEL_HOP = 160  # samples between frames of Whisper's spectrogram
STATE_HOP = 320  # samples between its states
LONGEST = 30 * SAMPLE_RATE  # samples of one pass
TINY = 1e-6


class WhisperTeacherConfig(Settings):
    """
    A published speech encoder that teaches the audio encoder.

    The teacher sees the clean audio at several speeds, the student the same audio augmented. The
    teacher is not trained, sees no labels and is not part of the bundle.

    :param name: of a Whisper on the Hugging Face hub, or a folder written by `save_pretrained`.
    :param layers: whose outputs are distilled; 0 is the input of the first.
    :param width: to which the normalised states are projected at random, which preserves
        distances (Johnson & Lindenstrauss 1984).
    :param speeds: evenly spaced over the range of `data.speech.speed`; training draws one.
    :param weight: of the unexplained variance of the states, relative to the emotion loss.
    """

    name: str
    layers: tuple[int, ...] = Field((2, 3, 4), min_length=1)
    width: int = Field(128, ge=1)
    speeds: int = Field(7, ge=1)
    weight: float = Field(10.0, ge=0)


class WhisperStates:
    """
    States of the teacher for each utterance at each speed, standardised.

    :param hop: samples per state.
    :param speeds: at which there are states.
    :param train_keys: utterances over which the states have zero mean and unit deviation.
    """

    def __init__(self, store: TensorStore, hop: int, speeds: Sequence[float],
                 train_keys: Sequence[str]) -> None:
        self.store, self.hop, self.speeds = store, hop, tuple(speeds)
        plain = torch.cat([
            store.get(_state_key(key, len(speeds) // 2)).float() for key in train_keys])
        self.mean, self.deviation = plain.mean(dim=0), plain.std(dim=0) + TINY

    @property
    def width(self) -> int:
        """Width of the states."""
        return len(self.mean)

    def get(self, key: str, number: int, begin: int, count: int) -> Tensor:
        """
        Return the states of a window of an utterance at one of the speeds, (hops, width).

        :param number: of the speed.
        :param begin: first sample at that speed, a multiple of the hop.
        :param count: samples.
        """
        first = begin // self.hop
        states = self.store.get(_state_key(key, number))[first:first - (-count // self.hop)]
        return (states.float() - self.mean) / self.deviation


def make_states(config: WhisperTeacherConfig, speed: float, hop: int, cache: ClipCache,
                folder: Path, console: Console) -> WhisperStates:
    """
    Run the teacher over all labelled utterances, except for those that are on disk already.

    :param speed: range of the speed, either way, as a share.
    :param hop: samples per state.
    :param folder: gets a subfolder named by teacher and audio, which runs may share.
    :raises PretrainedUnavailable: if the teacher is neither local, cached nor reachable.
    """
    speeds = [float(s) for s in np.linspace(1 - speed, 1 + speed, config.speeds if speed else 1)]
    sounds = {e.key: audio for e in cache.examples
              if e.labels and (audio := cache.audio(e.key)) is not None}
    keys = sorted(sounds)
    name = fingerprint(repr([config.name, config.layers, config.width, speeds, hop]),
                       *(part for key in keys for part in (key, sounds[key].tobytes())))
    store = make_store(
        folder / name, [_state_key(key, n) for key in keys for n in range(len(speeds))],
        _Teacher(config, speeds, hop, cache).states_of,
        title=f'states of {config.name} for {len(keys)} clips', console=console)
    train = {e.key for e in cache.examples if e.split == TRAIN}
    return WhisperStates(store, hop, speeds, [key for key in keys if key in train])


class UnexplainedVariance(nn.Module):
    """
    Share of the variance of the teacher's states that a linear map of the features misses.

    :param width: of the features.
    :param states: width of the standardised states.
    """

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, states)

    def forward(self, features: Tensor, mask: Tensor, states: Tensor) -> Tensor:
        """
        Return a scalar: 0 if the states are predicted exactly, about 1 if not at all.

        :param features: (B, T, width).
        :param mask: (B, T), True where there is audio.
        :param states: (B, T, states); NaN where they are unknown.
        """
        known = mask & ~states.isnan().any(dim=2)
        if not bool(known.any()):
            return features.sum() * 0
        error: Tensor = self.read(features[known]) - states[known]  # (known, states)
        return error.square().mean()


class _Teacher:
    """The teacher, loaded on first use."""

    def __init__(self, config: WhisperTeacherConfig, speeds: Sequence[float], hop: int,
                 cache: ClipCache) -> None:
        self.config, self.speeds, self.hop, self.cache = config, speeds, hop, cache
        self.encoder: Any = None

    @torch.inference_mode()
    def states_of(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """Return the states of utterances at speeds, float16."""
        if self.encoder is None:
            self._load()
        found = {}
        for state_key in keys:
            key, number = state_key.rsplit(' ', 1)
            raw = self.cache.audio(key)
            assert raw is not None, key
            samples = at_speed(as_float(raw), self.speeds[int(number)])
            found[state_key] = self._projected(samples).half()
        return found

    def _load(self) -> None:
        self.encoder, self.extractor = load_speech_encoder(self.config.name)
        most = len(self.encoder.layers)
        if max(self.config.layers) >= most:
            raise InvalidInput(f'teacher.layers: {self.config.name} has outputs 0 to {most - 1} '
                               f'before its last, not {max(self.config.layers)}')
        self.encoder.layers = self.encoder.layers[:max(self.config.layers) + 1]
        self.encoder.to(default_device()).eval()
        self.positions = self.encoder.embed_positions.weight
        size = self.positions.shape[1] * len(self.config.layers)
        random = torch.Generator().manual_seed(0)
        self.projection = torch.randn(size, self.config.width, generator=random) / math.sqrt(size)

    def _projected(self, samples: Float32) -> Tensor:
        """Return the projected states, (hops, width)."""
        step = math.lcm(self.hop, STATE_HOP)
        longest = LONGEST // step * step
        states = torch.cat([self._states(samples[begin:begin + longest], step)
                            for begin in range(0, max(1, len(samples)), longest)])
        return states[:-(-len(samples) // self.hop)] @ self.projection

    def _states(self, samples: Float32, step: int) -> Tensor:
        """Return the normalised states of the layers side by side, (hops, n), of up to 30 s."""
        count = max(1, -(-len(samples) // step)) * step
        mel = self.extractor(samples, sampling_rate=SAMPLE_RATE, padding='max_length',
                             max_length=count, return_tensors='pt').input_features
        # Whisper expects 30 s only because of its positions; shorter ones save time.
        places = count // STATE_HOP
        self.encoder.embed_positions = nn.Embedding.from_pretrained(self.positions[:places])
        self.encoder.config.max_source_positions = places
        states = self.encoder(mel[..., :count // MEL_HOP].to(self.positions.device),
                              output_hidden_states=True).hidden_states
        chosen = [nn.functional.layer_norm(states[i], states[i].shape[-1:])
                  for i in self.config.layers]
        joined = torch.cat(chosen, dim=2).to(CPU).transpose(1, 2)  # (1, n, states)
        return nn.functional.adaptive_avg_pool1d(joined, count // self.hop)[0].T


def _state_key(key: str, number: int) -> str:
    """Return the key of an utterance at the speed of a number."""
    return f'{key} {number}'
