# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A recorded dialogue through the live path, with what its encoders gave to the fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import hashlib
from pathlib import Path
from typing import Any

from mmer_ros import __version__
from mmer_ros.evaluation.utterances import Evaluation
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.meld.dialogue import clip_names, read_facts
from mmer_ros.replay import replay_bag, ReplayOptions, ReplayResult
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.types import InvalidInput, Modality, subset_name, Utterance
from pydantic import BaseModel, ConfigDict
import torch
from torch import nn, Tensor
from training.corpora.examples import Example
from training.encoders.text.data import Dialogue, dialogues
from training.engine.files import write_file
from training.engine.predictions import Predictions
from training.evaluation.live.faces import largest_between, seen_faces
from training.evaluation.live.steps import ALONE, Cut, OFFLINE, STEPS
from training.fusion.features import FeatureCache

VERSION = 1  # raised when the same recording begins to give other results
Values = Mapping[Modality, Tensor]  # (T, width) each; what is missing is not there


class LiveUtterance(BaseModel):
    """
    A labelled clip, offline and live.

    :param key: of the example.
    :param label: its emotion, index into EMOTIONS.
    :param cut: what became of it, one of steps.CUTS.
    :param logits: (7,) by name of the step; without an estimate only those offline.
    :param said: the words came as they were said.
    :param revised: they came so late that the estimate was revised.
    :param offline: modalities of the offline answer; `live` of the live one.
    :param start_error: beginning of the utterance less that of the clip, seconds; so end_error.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    label: int
    cut: Cut
    logits: dict[str, list[float]]
    said: bool = False
    revised: bool = False
    offline: str = ''
    live: str = ''
    start_error: float = 0.0
    end_error: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether there is a live answer."""
        return len(self.logits) > 1


class LiveDialogue(BaseModel):
    """
    All labelled clips of a dialogue, and how many estimates belong to none of them.

    :param fingerprint: the same if nothing changed that the answers depend on.
    :param left_out: clips that are not in the recording; their turns are not heard, either.
    """

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    utterances: tuple[LiveUtterance, ...]
    spurious: int
    left_out: int


class LivePath:
    """
    Replays recordings of `mmer meld2bag` with a bundle.

    :param examples: of the corpus.
    :param features: what the bundle's encoders make of them, causal.
    :param offline: its answers on the split.
    """

    def __init__(self, recognizer: Recognizer, examples: Sequence[Example],
                 features: FeatureCache, offline: Predictions, options: ReplayOptions) -> None:
        """Load the face detection."""
        config = recognizer.config
        self._recognizer, self._features, self._options = recognizer, features, options
        self._turns = {e.key: Dialogue(e, (), None) for e in examples} | {
            d.example.key: d for d in dialogues(
                examples, getattr(config.model.text, 'history_turns', 0))}
        self._place = {key: i for i, key in enumerate(offline.keys)}
        self._offline = offline
        self._detector = make_detector(config.faces, recognizer.device)
        self._weights = torch.tensor(config.modality_weights)

    def measure(self, bag: Path, output: Path) -> LiveDialogue:
        """
        Return the answers for one recording; what is known already is read.

        :param output: gets the replay and the answers, each in a folder of its own.
        :raises InvalidInput: if the recording cannot be used.
        """
        facts, known = read_facts(bag), self._fingerprint(bag)
        file = output / 'dialogues' / f'{bag.name}.json'
        if file.is_file():
            found = LiveDialogue.model_validate_json(file.read_text(encoding='utf-8'))
            if found.fingerprint == known:
                return found
        keys = [f'{facts["split"]}/{name}' for name in clip_names(bag)]
        group = f'{facts["split"]}/dia{facts["dialogue"]}'
        wanted = {d.example.key for d in self._turns.values() if d.example.group == group}
        with FusionTap(self._recognizer.model.fusion) as tap:
            result = replay_bag(bag, replace(
                self._options, people_rate=0.0, output=output / 'replays' / bag.name),
                                recognizer=self._recognizer)
        evaluation = result.evaluation
        if evaluation is None or len(evaluation.labels) != len(keys) or (
                len(tap.inputs) != len(result.estimates)):
            raise InvalidInput(f'recording {bag}: its labels or estimates are not those that '
                               'were expected; make it again with `mmer meld2bag`')
        dialogue = LiveDialogue(
            fingerprint=known, utterances=self._utterances(bag, keys, result, tap),
            spurious=len(evaluation.matching.spurious), left_out=len(wanted - set(keys)))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, dialogue.model_dump_json().encode())
        return dialogue

    @torch.inference_mode()
    def _utterances(self, bag: Path, keys: list[str], result: ReplayResult, tap: FusionTap
                    ) -> tuple[LiveUtterance, ...]:
        evaluation = result.evaluation
        assert evaluation is not None
        crops = seen_faces(bag, self._detector)
        row_of = {id(row): i for i, row in enumerate(result.estimates)}
        pairs = {pair.label: pair.estimate for pair in evaluation.matching.pairs}
        found = []
        for index, key in enumerate(keys):
            if key not in self._place:  # it has no label
                continue
            span = evaluation.labels[index].start, evaluation.labels[index].end
            utterance = LiveUtterance(
                key=key, label=int(self._offline.labels[self._place[key]]),
                cut=cut_of(evaluation, index), offline=_subset(self._features.get(key)),
                logits={OFFLINE: self._offline.logits[self._place[key]].tolist()})
            if index in pairs:
                row = evaluation.answers[pairs[index]]
                live, turn = tap.inputs[row_of[id(row)]], self._turns[key]
                utterance = utterance.model_copy(update={
                    'logits': utterance.logits | self._answers(key, span, row, live, crops),
                    'said': row['transcript'] == turn.example.text,
                    'revised': row['revision'] > 0, 'live': _subset(live),
                    'start_error': row['start'] - span[0], 'end_error': row['end'] - span[1]})
            found.append(utterance)
        return tuple(found)

    def _answers(self, key: str, span: tuple[float, float], row: Mapping[str, Any], live: Values,
                 crops: list[Any]) -> dict[str, list[float]]:
        """Return the logits of all steps but the offline one."""
        offline, turn = self._features.get(key), self._turns[key]
        text, audio, face = Modality.TEXT, Modality.AUDIO, Modality.FACE
        words = self._encode(Utterance(text=row['transcript'] or None,
                                       speaker=turn.example.speaker, history=turn.history))
        changes = (
            (face, self._encode(Utterance(faces=largest_between(crops, *span)))), (audio, live),
            (face, self._encode(Utterance(
                faces=largest_between(crops, row['start'], row['end'])))),
            (face, live), (text, words), (text, live))
        logits, values = {}, dict(offline)
        for step, (modality, source) in zip(STEPS[1:], changes, strict=True):
            values = swapped(values, modality, source)
            logits[step.name] = self._fused(values)
        for step, modality in zip(ALONE, (audio, face, text), strict=True):
            logits[step.name] = self._fused(swapped(offline, modality, live))
        return logits

    def _encode(self, utterance: Utterance) -> dict[Modality, Tensor]:
        encoded = self._recognizer.encoders.encode([utterance])
        return {modality: x[0][mask[0]] for modality, (x, mask) in encoded.items()}

    def _fused(self, values: Values) -> list[float]:
        """Return the calibrated logits; zeros, which prefer nothing, if nothing is left."""
        if not values:
            return [0.0] * 7
        device = self._recognizer.device
        batch = {m: (x[None].to(device), torch.ones(1, len(x), dtype=torch.bool, device=device))
                 for m, x in values.items()}
        output = self._recognizer.model.fuse(batch, self._weights.to(device))
        temperature = self._recognizer.config.temperatures.get(_subset(values), 1.0)
        scaled: list[float] = (output.logits[0] / temperature).cpu().tolist()
        return scaled

    def _fingerprint(self, bag: Path) -> str:
        facts = read_facts(bag)
        group = f'{facts.get("split")}/dia{facts.get("dialogue")}_'
        known = [self._offline.logits[i].tobytes() for key, i in sorted(self._place.items())
                 if key.startswith(group)]
        names = [step.name for step in (*STEPS, *ALONE)]
        content = (VERSION, __version__, names, self._recognizer.bundle.content_hash,
                   facts.get('fingerprint'), known, self._options.segmenter.model_dump())
        return hashlib.sha256(repr(content).encode()).hexdigest()


class FusionTap:
    """
    Keep what a fusion network is given; a context manager.

    :ivar inputs: features of each utterance that was fused, in order.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        self.inputs: list[Values] = []
        self._network = network

    def __enter__(self) -> FusionTap:
        """Begin to listen."""
        self._handle = self._network.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._handle.remove()

    def _keep(self, _: nn.Module, arguments: tuple[Any, ...], output: object) -> None:
        encoded = arguments[0]
        for row in range(len(next(iter(encoded.values()))[0])):
            self.inputs.append({modality: x[row][mask[row]]
                                for modality, (x, mask) in encoded.items() if mask[row].any()})


def swapped(values: Values, modality: Modality, source: Values) -> dict[Modality, Tensor]:
    """Return values with one modality from elsewhere; if it is missing there, without it."""
    rest = {m: x for m, x in values.items() if m is not modality}
    return rest | ({modality: source[modality]} if modality in source else {})


def cut_of(evaluation: Evaluation, label: int) -> Cut:
    """Return what the segmentation made of a labelled utterance."""
    matching = evaluation.matching
    estimate = next((p.estimate for p in matching.pairs if p.label == label), None)
    if estimate is None:
        return 'missed' if label in matching.missed else 'swallowed'
    if estimate in matching.merged:
        return 'merged'
    return 'split' if label in matching.split else 'whole'


def _subset(values: Values) -> str:
    modalities = Modality(0)
    for modality in values:
        modalities |= modality
    return subset_name(modalities)
