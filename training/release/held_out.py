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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.late_fusion import make_gate
from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.networks.whisper_encoder import WhisperEncoder
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from numpy.typing import NDArray
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
from training.release.plus import fit_gate, GateExamples, opened
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
    """
    Voices of a corpus in one noise.

    :param noise: e.g. 'pink noise at 10 dB'; '': as they were recorded.
    """

    corpus: str
    noise: str
    voices: VoiceVectors

    @property
    def name(self) -> str:
        """Return the name of the condition."""
        return f'{self.corpus}, {self.noise}' if self.noise else self.corpus

    def condition(self, logits: NDArray[np.float32]) -> Condition:
        """Return what a head says of them, (N, 7)."""
        return Condition(self.name, logits, self.voices.labels, self.voices.speakers, self.corpus)


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
            found.append(NoisyVoices(corpus.name, f'{kind} noise at {ratio:.0f} dB',
                                     VoiceVectors.of(corpus.name, clips, store)))
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
    everything = [*(NoisyVoices(c.name, '', c) for c in corpora), *noisy]
    unseen = [each.condition(heads[each.corpus].logits(each.voices.vectors)
                             / np.float32(temperature)) for each in everything]
    reliable = _reliabilities(everything, unseen)
    with torch.no_grad():
        kinds = [GateExamples(encoder.project(each.voices.vectors), reliable[each.noise],
                              0.5 / len(everything)) for each in everything]
        closed = GateExamples(encoder.project(other_sounds), 0.0, 0.5)
    conditions, medians = [], {}
    for left_out in (c.name for c in corpora):
        gate = make_gate(encoder.width)
        fit_gate(gate, [*(kind for each, kind in zip(everything, kinds)
                          if each.corpus != left_out), closed], ignored=CLASSES)
        for kind, condition in zip(kinds, unseen):
            if condition.corpus == left_out:
                open_ = opened(gate, kind.features).numpy()
                medians[condition.name] = float(np.median(open_))
                conditions.append(replace(condition, logits=condition.logits * open_[:, None]))
    return HeldOut(conditions, [*kinds, closed], medians)


def _reliabilities(voices: Sequence[NoisyVoices], unseen: Sequence[Condition]
                   ) -> dict[str, float]:
    """Return the ratio of the temperatures of clean voices and of each noise, at most 1."""
    temperatures = {noise: fit_likelihood(
        [condition for each, condition in zip(voices, unseen) if each.noise == noise],
        offsets=False).temperature for noise in {each.noise for each in voices}}
    return {noise: min(1.0, temperatures[''] / each) for noise, each in temperatures.items()}


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
