# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Features of every example, computed by the encoders once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from mmer_ros.networks.several_encoder import side_by_side
from mmer_ros.recognition.streaming_encoders import context_of, evidence_of
from mmer_ros.types import MODALITIES, Modality, SAMPLE_RATE, Utterance
import numpy as np
import torch
from torch import Tensor
from training.corpora.clips import Clips
from training.encoders.text.data import dialogues
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.device import placed
from training.engine.files import fingerprint
from training.engine.progress import Reporter
from training.engine.sampling import padded_batches
from training.engine.tensor_store import make_store, TensorStore

BATCH = {Modality.TEXT: 32, Modality.AUDIO: 8, Modality.FACE: 8}  # utterances
# Characters, samples or images of a batch; a longer utterance is a batch by itself.
TOTAL = {Modality.TEXT: 32_000, Modality.AUDIO: 120 * SAMPLE_RATE, Modality.FACE: 400}


class Store(Protocol):
    """Features of one modality by key."""

    def __contains__(self, key: str) -> bool: ...

    def steps(self, key: str) -> int: ...

    def get(self, key: str) -> Tensor: ...


class FeatureCache:
    """
    Features by example and modality, (T, width) float32 each.

    :param widths: of the modalities that have an encoder.
    :param stores: of each of them, one for each split.
    """

    def __init__(self, widths: Mapping[Modality, int],
                 stores: Mapping[Modality, Sequence[Store]]) -> None:
        self.widths, self._stores = dict(widths), stores

    def __contains__(self, key: str) -> bool:
        return any(key in store for stores in self._stores.values() for store in stores)

    def get(self, key: str) -> dict[Modality, Tensor]:
        """Return the features of an example by modality."""
        return {modality: store.get(key) for modality, store in self._stores_of(key).items()}

    def lengths(self, key: str) -> dict[Modality, int]:
        """Return the number of steps of each modality of an example."""
        return {modality: store.steps(key) for modality, store in self._stores_of(key).items()}

    def beside(self, modality: Modality, width: int, store: Store) -> FeatureCache:
        """Return this cache with other features of a modality; beside those that it has."""
        if modality in self._stores:
            width += self.widths[modality]
            stores: Sequence[Store] = [SideBySide([own, store])
                                       for own in self._stores[modality]]
        else:
            stores = [store]
        return FeatureCache({**self.widths, modality: width}, {**self._stores, modality: stores})

    def _stores_of(self, key: str) -> dict[Modality, Store]:
        return {modality: store for modality, stores in self._stores.items()
                for store in stores if key in store}


class SideBySide:
    """
    Features of one modality from several sources, at the steps of the first.

    An example that one of them lacks, lacks the modality.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores

    def __contains__(self, key: str) -> bool:
        return all(key in store for store in self._stores)

    def steps(self, key: str) -> int:
        """Return T of an example."""
        return self._stores[0].steps(key)

    def get(self, key: str) -> Tensor:
        """Return the features of an example, (T, width)."""
        return side_by_side([store.get(key).float() for store in self._stores])


def make_features(encoders: Mapping[Modality, TrainedEncoder], clips: Clips, folder: Path,
                  reporter: Reporter, *, splits: Iterable[str], with_reply: bool = False,
                  device: torch.device | None = None) -> FeatureCache:
    """
    Run encoders over a corpus, except for features that are on disk already.

    :param folder: gets a subfolder for each modality, split, encoder and corpus, so that stages,
        seeds and conditions share them.
    :param with_reply: show the text encoder the reply, which a robot does not have.
    """
    splits = list(splits)
    made = {}
    for modality in (m for m in MODALITIES if m in encoders):
        with placed(encoders[modality].encoder, device):
            reply = with_reply and modality is Modality.TEXT
            maker = _FeatureMaker(encoders[modality], clips, reply)
            made[modality] = [maker.store(folder, split, reporter) for split in splits]
    return FeatureCache({m: encoders[m].encoder.width for m in made}, made)


class _FeatureMaker:
    """One encoder on one corpus."""

    def __init__(self, trained: TrainedEncoder, clips: Clips, with_reply: bool) -> None:
        self.trained, self.clips, self.with_reply = trained, clips, with_reply
        trained.encoder.eval()
        if trained.tokenizer is not None:
            trained.encoder.use_tokenizer(trained.tokenizer)
        turns = getattr(trained.config, 'history_turns', 0)
        self.turns = {d.example.key: d for d in dialogues(clips.examples, turns)}

    def store(self, folder: Path, split: str, reporter: Reporter) -> TensorStore:
        """Return the features of a split."""
        keys = [e.key for e in self.clips.examples if e.split == split]
        name = self.trained.modality.key
        kind = name + '-reply' * self.with_reply
        return make_store(
            folder / f'{kind}-{split}-{self._fingerprint(keys)}', keys, self.compute,
            title=f'features of {name}{", with reply" * self.with_reply}, {split}',
            console=reporter.console)

    @torch.inference_mode()
    def compute(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """Return the features (T, width) of the examples that have the modality."""
        given = {key: u for key in keys if (u := self._utterance(key)) is not None}
        names, sizes = list(given), np.array([_size(u) for u in given.values()], np.int64)
        order = np.argsort(sizes, kind='stable')  # little padding
        found: dict[str, Tensor] = {}
        modality = self.trained.modality
        for rows in padded_batches(order, sizes, BATCH[modality], TOTAL[modality]):
            part = [names[row] for row in rows]
            utterances = [given[key] for key in part]
            encoded = self.trained.encoder.encode(
                [evidence_of(u)[self.trained.modality] for u in utterances],
                [context_of(u) for u in utterances])
            for key, values, valid in zip(part, *encoded, strict=True):
                found[key] = values[valid].cpu().contiguous()
        return {key: found[key] for key in given}

    def _utterance(self, key: str) -> Utterance | None:
        """Return the input of the encoder; None if the example lacks the modality."""
        if self.trained.modality is Modality.TEXT:
            turn = self.turns.get(key)
            return None if turn is None else Utterance(
                text=turn.example.text, speaker=turn.example.speaker, history=turn.history,
                reply=turn.reply if self.with_reply else None)
        if self.trained.modality is Modality.AUDIO:
            audio = self.clips.audio(key)
            return None if audio is None else Utterance(audio=audio)
        faces = self.clips.faces(key)
        return None if faces is None else Utterance(faces=faces)

    def _fingerprint(self, keys: Sequence[str]) -> str:
        inputs = (repr([self._utterance(key) for key in keys])
                  if self.trained.modality is Modality.TEXT else self.clips.digest)
        return fingerprint(self.trained.digest, inputs, repr(keys))


def _size(utterance: Utterance) -> int:
    if utterance.audio is not None:
        return len(utterance.audio)
    return len(utterance.faces) if utterance.faces is not None else len(utterance.text or '')
