# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `plus`: makes the bundle whose voice has learnt several corpora, from caches to its card.

Text and face are those of another bundle. The voice is a Whisper's first layers with a linear
head, calibrated on corpora that the head has not learnt from.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.bundle_export import save_with_graphs
from mmer_ros.types import Modality
import numpy as np
from rich.console import Console
import torch
from torch import nn
from training.augment.out_of_domain import OutOfDomainClips
from training.commands.voices import (
    add_corpus_arguments,
    linear_predictions,
    read_voices,
    score_bundle,
    show_scores,
)
from training.encoders.audio.linear_voice import fit_linear, VoiceVectors
from training.encoders.audio.whisper_head import whisper_with_head
from training.encoders.audio.whisper_states import make_moments
from training.engine.files import write_file
from training.evaluation.unseen_corpora import (
    leave_one_corpus_out,
    leave_speakers_out,
    mean_recall,
    scores_of,
)
from training.evaluation.voice_adaptation import simulate_adaptation
from training.release.plus import (
    fit_common_temperature,
    fit_gate,
    plus_bundle,
    pool_of,
    UnseenLogits,
)
from training.release.plus_card import NOTICE, plus_card

FIGURES = 'figures.json'
OTHER_SOUNDS = 600
KINDS = {'ravdess': 'English, acted, two sentences', 'nemo': 'Polish, acted, neutral sentences',
         'urdu': 'Urdu, spontaneous, talk shows', 'emogator': 'bursts without words, at home'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_corpus_arguments(parser)
    parser.add_argument('--base', default='starter', metavar='NAME|FOLDER',
                        help='bundle of text and face, made by the command `starter`')
    parser.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                        help='the bundle to write')
    parser.add_argument('--compare', action='store_true', help=(
        "score the base's voice on the same clips for the card"))


def run(options: argparse.Namespace) -> int:
    """Make the bundle; return the exit code."""
    console = Console(stderr=True)
    corpora = read_voices(options.corpus, options.teacher, options.output, console)
    base = Bundle.load(options.base)
    figures, temperature = _unseen(corpora, options, console)
    head = fit_linear(corpora, options.decay)
    encoder = whisper_with_head(options.teacher, whisper_config(options.teacher), head, corpora,
                                temperature)
    pool = pool_of(base, encoder)
    sounds: Any = OutOfDomainClips(Modality.AUDIO, OTHER_SOUNDS)
    others = make_moments(options.teacher, whisper_config(options.teacher), sounds,
                          options.output / 'states', console)
    vectors = torch.cat([others.get(e.key) for e in sounds.examples]).float()
    with torch.no_grad():
        people = {c.name: encoder.project(c.vectors) for c in corpora}
        silent = encoder.project(vectors)
    gate = pool.late_fusion.gates[Modality.AUDIO.key]
    assert isinstance(gate, nn.Sequential)
    fit_gate(gate, list(people.values()), silent)
    with torch.no_grad():
        figures |= {
            'gates': {name: float(torch.sigmoid(gate(x)[:, 0]).median())
                      for name, x in people.items()},
            'gate_closed': float(torch.sigmoid(gate(silent)[:, 0]).median()),
            'other_sounds': OTHER_SOUNDS}
    figures |= {'base': options.base, 'layers': encoder.config.n_layer, 'kinds': KINDS}
    write_file(options.output / FIGURES, json.dumps(figures, indent=2).encode())
    bundle = plus_bundle('plus', base, encoder, pool, card=plus_card(figures), notice=NOTICE,
                         training=_facts(figures))
    save_with_graphs(bundle, options.bundle)
    console.print(f'written: {options.bundle}', highlight=False, soft_wrap=True)
    return 0


def _unseen(corpora: Sequence[VoiceVectors], options: argparse.Namespace, console: Console
            ) -> tuple[dict[str, Any], float]:
    """Return the figures on unseen corpora and speakers, and the temperature."""
    predict = partial(linear_predictions, decay=options.decay)
    known = {c.name: c for c in corpora}
    logits = leave_one_corpus_out(corpora, options.unseen or list(known), predict)
    unseen = {name: UnseenLogits(each, known[name].labels) for name, each in logits.items()}
    crossed = {name: fit_common_temperature(
        [each for other, each in unseen.items() if other != name] or list(unseen.values()))
        for name in unseen}
    temperature = fit_common_temperature(list(unseen.values()))
    scores = {name: scores_of(known[name], each / np.float32(crossed[name]))
              for name, each in logits.items()}
    show_scores('corpora', scores, console)
    return {
        'teacher': options.teacher, 'decay': options.decay, 'temperature': temperature,
        'learnt': {c.name: {'clips': len(c.keys), 'speakers': len(np.unique(c.speakers))}
                   for c in corpora},
        'unseen_corpora': scores, 'mean_unseen': mean_recall(scores),
        'adaptation': {name: found for name, each in logits.items() if (
            found := simulate_adaptation(known[name], each / np.float32(temperature)))},
        'unseen_speakers': {name: scores_of(known[name], leave_speakers_out(
            corpora, name, 5, predict)) for name in options.folds},
        'bundles': {options.base: score_bundle(options.base, corpora, options, console)}
        if options.compare else {}}, temperature


def _facts(figures: dict[str, Any]) -> dict[str, Any]:
    """Return what the bundle's config states of its training."""
    return {name: figures[name] for name in (
        'learnt', 'decay', 'temperature', 'unseen_corpora', 'unseen_speakers', 'adaptation',
        'gates', 'base')}
