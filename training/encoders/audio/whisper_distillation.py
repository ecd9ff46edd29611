"""A published speech encoder that teaches: it has heard more voices than the corpora have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import hashlib
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
from training.engine.config import Settings
from training.engine.device import CPU, default_device
from training.engine.tensor_store import make_store, TensorStore
from training.preparation.clip_cache import ClipCache

MEL_HOP = 160  # samples between the frames of Whisper's spectrogram
STATE_HOP = 320  # and between its states
LONGEST = 30 * SAMPLE_RATE  # samples that it hears at once
TINY = 1e-6


class SpeechTeacherConfig(Settings):
    """
    A speech encoder whose states the network learns to tell, hop by hop, from what it hears.

    It hears the sound as recorded, at several speeds, the network the same worsened. It is not
    trained and knows no labels; neither is it in the bundle.

    :param name: of the type whisper, on the Hugging Face hub, or a folder of `save_pretrained`.
    :param layers: whose outputs are taught; 0 is what goes into the first.
    :param width: to which the states, normalised, are projected at random; distances stay about
        what they are (Johnson & Lindenstrauss 1984).
    :param speeds: evenly over the range of `data.speech.speed`, one of which is drawn in training.
    :param weight: of the share of the states' variance that is not told, beside the loss of the
        emotions.
    """

    name: str
    layers: tuple[int, ...] = Field((2, 3, 4), min_length=1)
    width: int = Field(128, ge=1)
    speeds: int = Field(7, ge=1)
    weight: float = Field(10.0, ge=0)


class SpeechStates:
    """
    What a teacher makes of each utterance at each speed, standardised.

    :param hop: samples of the network's hops, for each of which there is a state.
    :param speeds: at which it heard them.
    :param learned: keys of utterances whose states have a mean of 0 and a deviation of 1.
    """

    def __init__(self, store: TensorStore, hop: int, speeds: Sequence[float],
                 learned: Sequence[str]) -> None:
        """Take what is stored."""
        self.store, self.hop, self.speeds = store, hop, tuple(speeds)
        plain = torch.cat([store.get(_name(key, len(speeds) // 2)).float() for key in learned])
        self.mean, self.deviation = plain.mean(dim=0), plain.std(dim=0) + TINY

    @property
    def width(self) -> int:
        """Width of the states."""
        return len(self.mean)

    def get(self, key: str, number: int, begin: int, count: int) -> Tensor:
        """
        Return the states of a part of an utterance at one of the speeds, (hops, width).

        :param begin: first sample at that speed, a multiple of the hop.
        :param count: samples.
        """
        first = begin // self.hop
        states = self.store.get(_name(key, number))[first:first - (-count // self.hop)].float()
        return (states - self.mean) / self.deviation


def make_states(config: SpeechTeacherConfig, speed: float, hop: int, cache: ClipCache,
                folder: Path, console: Console) -> SpeechStates:
    """
    Let the teacher hear all labelled utterances; what is on disk already is kept.

    What it makes of those of the train split has a mean of 0 and a deviation of 1.

    :param speed: range of the speed, either way, as a share.
    :param folder: gets a folder named by the teacher and the sound, so that runs share it.
    :raises PretrainedUnavailable: if the teacher cannot be had.
    """
    speeds = [float(s) for s in np.linspace(1 - speed, 1 + speed, config.speeds if speed else 1)]
    keys = sorted({e.key for e in cache.examples if e.labels and cache.audio(e.key) is not None})
    listener = _Listener(config, speeds, hop, cache)
    store = make_store(
        folder / _fingerprint(config, speeds, hop, cache, keys),
        [_name(key, number) for key in keys for number in range(len(speeds))],
        listener.hear, title=f'{config.name} hears {len(keys)} clips', console=console)
    learned = sorted({e.key for e in cache.examples if e.split == 'train'} & set(keys))
    return SpeechStates(store, hop, speeds, learned)


class UntoldStates(nn.Module):
    """
    The share of the variance of a teacher's states that features do not tell.

    :param width: of the features.
    :param states: width of the states, which are standardised.
    """

    def __init__(self, width: int, states: int) -> None:
        """Start with no idea of the states."""
        super().__init__()
        self.read = nn.Linear(width, states)

    def forward(self, features: Tensor, mask: Tensor, states: Tensor) -> Tensor:
        """
        Return a scalar, 0 if all is told, about 1 if nothing is.

        :param features: (B, T, width).
        :param mask: (B, T), True where there is audio.
        :param states: (B, T, states); NaN where they are not known.
        """
        known = mask & ~states.isnan().any(dim=2)
        if not bool(known.any()):
            return features.sum() * 0
        error: Tensor = self.read(features[known]) - states[known]
        return error.square().mean()


class _Listener:
    """The teacher, loaded when it is needed."""

    def __init__(self, config: SpeechTeacherConfig, speeds: Sequence[float], hop: int,
                 cache: ClipCache) -> None:
        self.config, self.speeds, self.hop, self.cache = config, speeds, hop, cache
        self.encoder: Any = None

    @torch.inference_mode()
    def hear(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the states of utterances at speeds, float16."""
        if self.encoder is None:
            self._load()
        found = {}
        for name in names:
            key, number = name.rsplit(' ', 1)
            raw = self.cache.audio(key)
            assert raw is not None, key
            speed = self.speeds[int(number)]
            found[name] = self._states(at_speed(as_float(raw), speed)).half()
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

    def _states(self, samples: Float32) -> Tensor:
        """Return the states, projected, (hops, width)."""
        step = math.lcm(self.hop, STATE_HOP)
        longest = LONGEST // step * step
        heard = torch.cat([self._heard(samples[begin:begin + longest], step)
                           for begin in range(0, max(1, len(samples)), longest)])
        return heard[:-(-len(samples) // self.hop)] @ self.projection

    def _heard(self, samples: Float32, step: int) -> Tensor:
        """Return the layers' normalised states side by side, (hops, n), of up to 30 s."""
        count = max(1, -(-len(samples) // step)) * step
        mel = self.extractor(samples, sampling_rate=SAMPLE_RATE, padding='max_length',
                             max_length=count, return_tensors='pt').input_features
        # It wants 30 s, as which shorter sound would be heard; only the positions depend on it.
        places = count // STATE_HOP
        self.encoder.embed_positions = nn.Embedding.from_pretrained(self.positions[:places])
        self.encoder.config.max_source_positions = places
        states = self.encoder(mel[..., :count // MEL_HOP].to(self.positions.device),
                              output_hidden_states=True).hidden_states
        chosen = [nn.functional.layer_norm(states[i], states[i].shape[-1:])
                  for i in self.config.layers]
        joined = torch.cat(chosen, dim=2).to(CPU).transpose(1, 2)
        return nn.functional.adaptive_avg_pool1d(joined, count // self.hop)[0].T


def _name(key: str, number: int) -> str:
    return f'{key} {number}'


def _fingerprint(config: SpeechTeacherConfig, speeds: Sequence[float], hop: int,
                 cache: ClipCache, keys: Iterable[str]) -> str:
    """Return a name that changes with the teacher and all that it hears."""
    facts = [config.name, config.layers, config.width, list(speeds), hop]
    digest = hashlib.sha256(repr(facts).encode())
    for key in keys:
        audio = cache.audio(key)
        assert audio is not None, key
        digest.update(key.encode() + audio.tobytes())
    return digest.hexdigest()[:16]
