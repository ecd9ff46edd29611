# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `plus`: makes the default bundle, from trained encoders and voices to its card.

Text and face are finished runs of `train`. The voice is a Whisper's first layers with a linear
head. The pool is calibrated on what none of them has learnt from.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.bundle_export import save_with_graphs
from mmer_ros.types import EMOTIONS, MODALITIES, Modality
import numpy as np
from rich.console import Console
import torch
from torch import Tensor
from training.augment.out_of_domain import OutOfDomainClips
from training.commands.voices import (
    add_corpus_arguments,
    caches_of,
    read_voices,
    score_bundle,
    show_scores,
)
from training.corpora.fer import read_fer2013
from training.corpora.meld import read_meld
from training.encoders.audio.linear_voice import fit_linear, LinearVoice, VoiceVectors
from training.encoders.audio.whisper_head import whisper_with_head
from training.encoders.audio.whisper_states import make_moments
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.unseen_corpora import (
    leave_speakers_out,
    mean_recall,
    scores_of,
)
from training.evaluation.voice_adaptation import simulate_adaptation
from training.fusion.pool_calibration import Condition, fit_likelihood, fit_pool
from training.release.held_out import (
    HeldOut,
    hold_out_faces,
    hold_out_voices,
    hold_out_words,
    noisy_voices,
    OTHERS,
)
from training.release.plus import fit_gate, make_pool, opened, pool_bundle
from training.release.plus_card import NOTICE, plus_card
from training.release.pool_figures import pool_figures

TEXT, AUDIO, FACE = Modality.TEXT, Modality.AUDIO, Modality.FACE
FIGURES = 'figures.json'
KINDS = {'ravdess': 'English, acted, two sentences', 'nemo': 'Polish, acted, neutral sentences',
         'urdu': 'Urdu, spontaneous, talk shows', 'emogator': 'bursts without words, at home'}
Figures = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_corpus_arguments(parser)
    for modality in (TEXT, FACE):
        parser.add_argument(f'--{modality.key}', type=Path, required=True, metavar='RUN', help=(
            f'finished run of `train {modality.key}`, without the dev split'))
    parser.add_argument('--meld', type=Path, required=True, metavar='DIR',
                        help='whose dev split the words are calibrated on')
    parser.add_argument('--fer', type=Path, required=True, metavar='DIR',
                        help='FER2013, whose dev split the faces are calibrated on')
    parser.add_argument('--votes', type=Path, metavar='DIR',
                        help='votes of FER+ for these pictures; without, their labels count')
    parser.add_argument('--base', default='starter', metavar='NAME|FOLDER', help=(
        'bundle whose exponents of voice, face and words are taken, made by `starter`'))
    parser.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                        help='the bundle to write')
    parser.add_argument('--compare', action='store_true', help=(
        "score the base's voice on the same clips for the card"))


def run(options: argparse.Namespace) -> int:
    """Make the bundle; return the exit code."""
    console = Console(stderr=True)
    release = _Release(options, console)
    bundle = release.make()
    save_with_graphs(bundle, options.bundle)
    megabytes = sum(path.stat().st_size for path in options.bundle.iterdir()) / 1e6
    console.print(f'written: {options.bundle}, {megabytes:.1f} MB', highlight=False,
                  soft_wrap=True)
    return 0


class _Release:
    """All stages, one after the other."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options, self.console = options, console
        self.reporter = Reporter('plus', console)
        self.base = Bundle.load(options.base)
        self.corpora = read_voices(options.corpus, options.teacher, options.output, console)

    def make(self) -> Bundle:
        """Return the bundle."""
        heads = {c.name: fit_linear([o for o in self.corpora if o is not c], self.options.decay)
                 for c in self.corpora}
        figures, temperature = self._voice_figures(heads)
        encoders = self._encoders(temperature)
        held_out = self._held_out(encoders, heads, temperature)
        pool = make_pool(encoders)
        for modality in MODALITIES:
            gate: Any = pool.late_fusion.gates[modality.key]
            fit_gate(gate, held_out[modality].gate,
                     ignored=len(EMOTIONS) if modality is AUDIO else 0)
            figures.setdefault('gates_closed', {})[modality.key] = float(
                opened(gate, held_out[modality].gate[-1].features).median())
        exponents = dict(zip(MODALITIES, self.base.config.modality_weights))
        evidence = {m: each.conditions for m, each in held_out.items()}
        calibration = fit_pool(evidence, exponents, offsets={AUDIO: False})
        found = pool_figures(evidence, exponents, offsets={AUDIO: False})
        figures |= {**found, 'gates': dict(held_out[AUDIO].opened),
                    'exponents': {m.key: x for m, x in exponents.items()},
                    'temperatures': dict(calibration.temperatures), 'other_inputs': OTHERS,
                    'encoders': {m.key: dict(e.facts) for m, e in encoders.items()}}
        write_file(self.options.output / FIGURES, json.dumps(figures, indent=2).encode())
        return pool_bundle(
            'plus', encoders, pool, calibration, faces=self.base.config.faces,
            card=plus_card(figures), notice=NOTICE, thresholds=found['thresholds'],
            training=_facts(figures))

    def _encoders(self, temperature: float) -> dict[Modality, TrainedEncoder]:
        teacher = self.options.teacher
        head = fit_linear(self.corpora, self.options.decay)
        voice = whisper_with_head(teacher, whisper_config(teacher), head, self.corpora,
                                  temperature)
        return {TEXT: TrainedEncoder.load(self.options.text, TEXT),
                AUDIO: TrainedEncoder(AUDIO, voice.config, voice, {}),
                FACE: TrainedEncoder.load(self.options.face, FACE)}

    def _held_out(self, encoders: Mapping[Modality, TrainedEncoder],
                  heads: Mapping[str, LinearVoice], temperature: float
                  ) -> dict[Modality, HeldOut]:
        options, folder = self.options, self.options.output / 'features'
        noisy = noisy_voices(self.corpora, caches_of(options.corpus), options.teacher,
                             options.output, self.console)
        voice: Any = encoders[AUDIO].encoder
        meld = read_meld(options.meld, clips=False).examples
        return {
            TEXT: hold_out_words(encoders[TEXT], meld, folder, self.reporter),
            AUDIO: hold_out_voices(self.corpora, noisy, heads, voice, self._other_sounds(),
                                   temperature),
            FACE: hold_out_faces(encoders[FACE], read_fer2013(options.fer, options.votes), folder,
                                 self.reporter)}

    def _other_sounds(self) -> Tensor:
        clips: Any = OutOfDomainClips(AUDIO, OTHERS)
        store = make_moments(self.options.teacher, whisper_config(self.options.teacher), clips,
                             self.options.output / 'states', self.console)
        return torch.cat([store.get(e.key) for e in clips.examples]).float()

    def _voice_figures(self, heads: Mapping[str, LinearVoice]) -> tuple[Figures, float]:
        """Return the figures on unseen corpora and speakers, and the temperature."""
        options = self.options
        unseen = {c.name: Condition(c.name, heads[c.name].logits(c.vectors), c.labels, c.speakers)
                  for c in self.corpora}

        def temperature(names: Sequence[str]) -> float:
            return fit_likelihood([unseen[n] for n in names], offsets=False).temperature

        common = temperature(sorted(unseen))
        scores = {c.name: scores_of(c, unseen[c.name].logits / np.float32(temperature(
            [other for other in unseen if other != c.name] or [c.name]))) for c in self.corpora}
        show_scores('corpora', scores, self.console)
        return {
            'teacher': options.teacher, 'decay': options.decay, 'temperature': common,
            'kinds': KINDS, 'base': options.base,
            'layers': whisper_config(options.teacher).n_layer,
            'learnt': {c.name: {'clips': len(c.keys), 'speakers': len(np.unique(c.speakers))}
                       for c in self.corpora},
            'unseen_corpora': scores, 'mean_unseen': mean_recall(scores),
            'adaptation': {c.name: found for c in self.corpora if (found := simulate_adaptation(
                c, unseen[c.name].logits / np.float32(common)))},
            'unseen_speakers': {name: self._unseen_speakers(name) for name in options.folds},
            'bundles': {options.base: score_bundle(options.base, self.corpora, options,
                                                   self.console)} if options.compare else {}
        }, common

    def _unseen_speakers(self, name: str) -> Figures:
        def predict(train: Sequence[VoiceVectors], test: VoiceVectors) -> Any:
            return fit_linear(train, self.options.decay).logits(test.vectors)

        return scores_of(next(c for c in self.corpora if c.name == name),
                         leave_speakers_out(self.corpora, name, 5, predict))


def _facts(figures: Figures) -> Figures:
    """Return what the bundle's config states of its training."""
    return {name: figures[name] for name in (
        'learnt', 'decay', 'temperature', 'unseen_corpora', 'unseen_speakers', 'adaptation',
        'gates', 'subsets', 'exponents')}
