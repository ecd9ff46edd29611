# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Outputs of the encoders that ship, for people, dialogues and pictures they have not learnt from.

Voices are asked of heads that have learnt from the other corpora, words and faces of the encoders
themselves, on their dev splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.networks.whisper_encoder import WhisperEncoder
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from rich.console import Console
import torch
from torch import Tensor
from training.augment.faces import FacesConfig
from training.augment.noisy_clips import NoisyClips
from training.augment.out_of_domain import OutOfDomainClips
from training.augment.views import AugmentedViews
from training.corpora.examples import DEV, Example, split_view_key, TRAIN, VIEW
from training.corpora.fer import crop_of, Stills
from training.encoders.audio.linear_voice import LinearVoice, VoiceVectors
from training.encoders.audio.whisper_states import make_moments
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.pool_calibration import Condition, fit_likelihood
from training.fusion.unimodal_examples import encode_examples, UnimodalExample
from training.preparation.clip_cache import ClipCache
from training.preparation.spoken_clips import SpokenClips
from training.release.plus import fit_gate, GateExamples, make_pool, opened
from training.release.training_sets import (
    face_sets,
    FaceSequences,
    text_sets,
    TrainingSetsConfig,
)

CLASSES = len(EMOTIONS)
NOISES_DB = (('pink', 20.0), ('pink', 10.0), ('babble', 20.0), ('babble', 10.0))
NOISY_CLIPS = 240  # of a corpus in each noise
OTHERS = 600  # inputs that are no voice, sentence or face
SETS = TrainingSetsConfig(turns=1_000, pictures=100, out_of_domain=OTHERS)  # of the gates


@dataclass(frozen=True)
class HeldOut:
    """
    What is known of a modality.

    :param conditions: outputs for examples that were not learnt from.
    :param gate: features of kinds of inputs, for the reliability gate.
    :param opened: median of a gate that has not learnt from them, by the name of a condition.
    """

    conditions: Sequence[Condition]
    gate: Sequence[GateExamples]
    opened: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NoisyVoices:
    """Voices of a corpus in one noise; `name` says which."""

    name: str
    corpus: str
    voices: VoiceVectors


def noisy_voices(corpora: Sequence[VoiceVectors], caches: Mapping[str, Path], teacher: str,
                 folder: Path, console: Console) -> list[NoisyVoices]:
    """
    Return some clips of each corpus in each of NOISES_DB.

    :param caches: of `prepare`, by the name of the corpus.
    :param folder: with spoken/ and states/, as of `read_voices`.
    """
    config, found = whisper_config(teacher), []
    for corpus in corpora:
        spoken = SpokenClips(ClipCache(caches[corpus.name]), folder / 'spoken', console)
        known = {e.key: e for e in spoken.examples}
        step = -(-len(corpus.keys) // NOISY_CLIPS)
        for number, (kind, ratio) in enumerate(NOISES_DB):
            chosen = [known[key] for key in corpus.keys[number % step::step]]
            clips: Any = NoisyClips(spoken, chosen, kind, ratio)
            store = make_moments(teacher, config, clips, folder / 'states', console)
            found.append(NoisyVoices(f'{corpus.name}, {kind} noise at {ratio:.0f} dB',
                                     corpus.name, VoiceVectors.of(corpus.name, clips, store)))
    return found


def hold_out_voices(corpora: Sequence[VoiceVectors], noisy: Sequence[NoisyVoices],
                    heads: Mapping[str, LinearVoice], encoder: WhisperEncoder,
                    other_sounds: Tensor, temperature: float) -> HeldOut:
    """
    Return voices of corpora that neither head nor gate have learnt from.

    :param heads: by the corpus that each has not learnt from.
    :param encoder: whose features the gate reads.
    :param other_sounds: moments of sounds without a voice, (N, D).
    :param temperature: divides the logits.
    """
    everything = [*((c.name, c.name, c) for c in corpora),
                  *((n.name, n.corpus, n.voices) for n in noisy)]
    plain = {name: (corpus, voices, heads[corpus].logits(voices.vectors) / temperature)
             for name, corpus, voices in everything}
    reliable = _reliabilities(plain, {c.name for c in corpora})
    with torch.no_grad():
        features = {name: encoder.project(voices.vectors) for name, _, voices in everything}
        silent = encoder.project(other_sounds)
    kinds = {name: GateExamples(features[name], reliable[name], 0.5 / len(everything))
             for name in plain}
    closed = GateExamples(silent, 0.0, 0.5)
    conditions, medians = [], {}
    for left_out in (c.name for c in corpora):
        gate: Any = make_pool({Modality.AUDIO: _as_trained(encoder)}).late_fusion.gates['audio']
        fit_gate(gate, [*(kind for name, kind in kinds.items() if plain[name][0] != left_out),
                        closed], ignored=CLASSES)
        for name, (corpus, voices, logits) in plain.items():
            if corpus == left_out:
                open_ = opened(gate, features[name]).numpy()[:, None]
                medians[name] = float(np.median(open_))
                conditions.append(Condition(name, (logits * open_).astype(np.float32),
                                            voices.labels, voices.speakers))
    return HeldOut(conditions, [*kinds.values(), closed], medians)


def _as_trained(encoder: WhisperEncoder) -> TrainedEncoder:
    return TrainedEncoder(Modality.AUDIO, encoder.config, encoder, {})


def _reliabilities(plain: Mapping[str, tuple[str, VoiceVectors, Any]], clean: set[str]
                   ) -> dict[str, float]:
    """Return the ratio of the temperatures of clean voices and of each noise, at most 1."""
    def temperature(names: Sequence[str]) -> float:
        return fit_likelihood([Condition(n, plain[n][2], plain[n][1].labels, plain[n][1].speakers)
                               for n in names], offsets=False).temperature

    usual = temperature(sorted(clean))
    found = dict.fromkeys(clean, 1.0)
    for kind in {name.partition(', ')[2] for name in plain} - {''}:
        names = [name for name in plain if name.endswith(f', {kind}')]
        found |= dict.fromkeys(names, min(1.0, usual / temperature(names)))
    return found


def hold_out_words(trained: TrainedEncoder, meld: Sequence[Example], folder: Path,
                   reporter: Reporter) -> HeldOut:
    """Return MELD's dev split, as written and as a speech recogniser hears it."""
    sets = text_sets(meld, [], SETS)
    turns, transcripts, letters = sets.train

    def encode(clips: Any, split: str) -> list[UnimodalExample]:
        return encode_examples(trained, clips, split, folder, reporter)

    return _held_out(
        Modality.TEXT, {'MELD dev, as written': encode(sets.held_out, DEV),
                        'MELD dev, as heard': encode(transcripts, DEV)},
        {e.key: e.group for clips in (sets.held_out, transcripts) for e in clips.examples},
        [*encode(turns, TRAIN), *encode(transcripts, TRAIN)], encode(letters, TRAIN))


def hold_out_faces(trained: TrainedEncoder, stills: Stills, folder: Path, reporter: Reporter
                   ) -> HeldOut:
    """Return FER2013's dev pictures, as they are and as a robot may see them."""
    augment = FacesConfig(robot_frame=0.25, small=0.3, blur=0.3, noise=0.3, jpeg=0.3, light=0.3,
                          shift=0.03, zoom=0.06, turn=6)
    sets = face_sets(stills, augment, SETS)
    held_out: Any = AugmentedViews(stills, {DEV: (0,)})
    seen: Any = FaceSequences(stills, [e for e in stills.examples if e.split == DEV][::3],
                              augment, SETS.longest)
    crops = [crop_of(stills.grey(e.key)) for e in stills.examples[:64]]
    others: Any = OutOfDomainClips(Modality.FACE, OTHERS, crops)

    def encode(clips: Any, split: str) -> list[UnimodalExample]:
        return encode_examples(trained, clips, split, folder, reporter)

    examples = {e.key: split_view_key(e.key)[0] for clips in (held_out, seen)
                for e in clips.examples}
    return _held_out(Modality.FACE, {
        'FER2013 dev, pictures': encode(held_out, DEV),
        'FER2013 dev, as a robot may see them': encode(seen, DEV)},
        examples, encode(sets.train[0], TRAIN), encode(others, TRAIN))


def _held_out(modality: Modality, named: Mapping[str, Sequence[UnimodalExample]],
              groups: Mapping[str, str], people: Sequence[UnimodalExample],
              others: Sequence[UnimodalExample]) -> HeldOut:
    conditions = [Condition(name, np.stack([e.logits for e in each]),
                            np.array([e.label for e in each], np.int64),
                            np.array([groups[e.key].partition(VIEW)[0] for e in each]))
                  for name, each in named.items()]
    return HeldOut(conditions, [GateExamples(_vectors(modality, people), 1.0, 0.5),
                                GateExamples(_vectors(modality, others), 0.0, 0.5)])


def _vectors(modality: Modality, examples: Sequence[UnimodalExample]) -> Tensor:
    """Return what the classifier sees of each example, (N, width)."""
    return torch.cat([summary(modality, e.features[None].float(),
                              torch.ones(1, len(e.features), dtype=torch.bool))
                      for e in examples])
