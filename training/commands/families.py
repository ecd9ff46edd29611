# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `families`: compares ways to fuse real voices and faces, on people not learnt from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.networks.batching import as_float
from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.networks.whisper_encoder import WhisperEncoder
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
import torch
from torch import Tensor
from training.commands.voices import add_corpus_arguments, caches_of, read_voices
from training.corpora.ravdess_action_units import read_units, Units
from training.encoders.audio.linear_voice import fit_linear, VoiceVectors
from training.encoders.audio.whisper_head import whisper_with_head
from training.engine.files import fingerprint, write_file
from training.engine.tensor_store import make_store
from training.evaluation.pairs.fusion_families import compare_families
from training.preparation.clip_cache import ClipCache
from training.preparation.spoken_clips import SpokenClips

FIGURES = 'families.json'
RAVDESS = 'ravdess'
CLASSES = len(EMOTIONS)
STEP = 8  # states that are averaged, 0.16 s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_corpus_arguments(parser)
    parser.add_argument('--units', type=Path, required=True, metavar='DIR',
                        help='with face_au_mean.csv, action units of RAVDESS')


def run(options: argparse.Namespace) -> int:
    """Compare and show; return the exit code."""
    console = Console(stderr=True)
    corpora = read_voices(options.corpus, options.teacher, options.output, console)
    known = {c.name: c for c in corpora}
    if RAVDESS not in known:
        raise InvalidInput(f'families: the action units are those of RAVDESS; give '
                           f'--corpus {RAVDESS}=CACHE')
    units, own = _paired(read_units(options.units), known[RAVDESS])
    others = [c for c in corpora if c.name != RAVDESS]
    sequences = _sequences(options, own, corpora, console)
    figures = compare_families(
        units, own, others, dict(zip(units.keys, sequences)), options.decay,
        lambda text: console.print(text, highlight=False))
    write_file(options.output / FIGURES, json.dumps(figures, indent=2).encode())
    _show(figures, console)
    console.print(f'written: {options.output / FIGURES}')
    return 0


def _paired(units: Units, voices: VoiceVectors) -> tuple[Units, VoiceVectors]:
    """Return the clips that both have, in one order."""
    row_of = {Path(key).stem: row for row, key in enumerate(voices.keys)}
    rows = [i for i, key in enumerate(units.keys) if Path(key).stem in row_of]
    if not rows:
        raise InvalidInput('families: no clip of the action units is among the voices')
    stems = [Path(units.keys[i]).stem for i in rows]
    return (Units([units.keys[i] for i in rows], units.values[rows], units.labels[rows],
                  units.actors[rows]),
            voices.where(np.array([row_of[stem] for stem in stems])))


def _sequences(options: argparse.Namespace, own: VoiceVectors, corpora: list[VoiceVectors],
               console: Console) -> list[Tensor]:
    """Return principal components of the states of each voice, (T, width): no label is in them."""
    config = whisper_config(options.teacher)
    encoder = whisper_with_head(options.teacher, config, fit_linear(corpora, options.decay),
                                corpora, 1.0)
    clips = SpokenClips(ClipCache(caches_of(options.corpus)[RAVDESS]),
                        options.output / 'spoken', console)
    keys = sorted(own.keys)
    name = fingerprint(options.teacher, config.model_dump_json(), clips.digest, f'mean of {STEP}',
                       *keys, *(c.name for c in corpora))
    store = make_store(options.output / 'states' / name, keys,
                       lambda some: {key: _components(encoder, clips, key) for key in some},
                       title='sequences of voices', console=console)
    return [store.get(key) for key in own.keys]


@torch.inference_mode()
def _components(encoder: WhisperEncoder, clips: SpokenClips, key: str) -> Tensor:
    found = encoder.features(encoder.whole(as_float(clips.audio(key))))[:, CLASSES:]
    return torch.stack([part.mean(dim=0) for part in found.split(STEP)])


def _show(figures: Mapping[str, Any], console: Console) -> None:
    table = Table('way', 'accuracy', 'unweighted recall', 'ECE', 'over the pool', 'over the '
                  f'{figures["better_single"]}', box=box.SIMPLE_HEAD, title=(
                      f'Voice and action units of the same clip, {figures["clips"]} clips of '
                      f'{figures["actors"]} actors, in folds of actors, %'))
    for name, each in figures['ways'].items():
        table.add_row(name, str(Interval(**each['accuracy'])),
                      f'{100 * each["unweighted_recall"]:.1f}', f'{100 * each["ece"]:.1f}',
                      str(Interval(**each['over_pool'])), str(Interval(**each['over_single'])))
    console.print(table)
