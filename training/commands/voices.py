# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `voices`: how well a voice model does on corpora and people that it has not learnt from.

A linear model of a Whisper's states, learnt on all corpora but one and tested on that one, is the
reference; encoders and bundles that have not seen a corpus can be compared with it. All clips are
cut by the robot's voice activity detection.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.networks.pretrained import whisper_config
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput, Utterance
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from training.encoders.audio.linear_voice import fit_linear, VoiceVectors
from training.encoders.audio.whisper_states import make_moments
from training.engine.files import write_file
from training.evaluation.unseen_corpora import (
    leave_one_corpus_out,
    leave_speakers_out,
    mean_recall,
    scores_of,
)
from training.evaluation.voice_adaptation import adaptation_rows, PERIODS, simulate_adaptation
from training.preparation.clip_cache import ClipCache
from training.preparation.spoken_clips import SpokenClips

FIGURES = 'voices.json'
DECAY = 1e-2
MOST_CLIPS = 1000  # of a corpus that a bundle is scored on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_corpus_arguments(parser)
    parser.add_argument('--bundle', nargs='+', default=[], metavar='NAME|FOLDER', help=(
        'bundles to score on the same voices, without words and faces; whether they have learnt '
        'from a corpus is not known here'))


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name corpora, the Whisper and the folder of what it makes of them."""
    parser.add_argument('--corpus', nargs='+', required=True, metavar='NAME=CACHE', help=(
        'corpora with labelled voices, as written by `prepare`'))
    parser.add_argument('--unseen', nargs='+', metavar='NAME', help=(
        'corpora that are left out in turn (default: all)'))
    parser.add_argument('--folds', nargs='*', default=[], metavar='NAME', help=(
        'corpora of which a fifth of the speakers is left out in turn, too'))
    parser.add_argument('--teacher', default='openai/whisper-base', metavar='NAME|FOLDER',
                        help='a Whisper of the Hugging Face hub, or a local copy')
    parser.add_argument('--decay', type=float, default=DECAY, metavar='X',
                        help=f'weight decay of the linear model (default: {DECAY})')
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER', help=(
        'of the cut audio, the states and the figures; the same command resumes'))


def run(options: argparse.Namespace) -> int:
    """Measure and show; return the exit code."""
    console = Console(stderr=True)
    corpora = read_voices(options.corpus, options.teacher, options.output, console)
    predict = partial(linear_predictions, decay=options.decay)
    unseen = leave_one_corpus_out(corpora, options.unseen or [c.name for c in corpora], predict)
    known = {c.name: c for c in corpora}
    figures: dict[str, Any] = {
        'teacher': options.teacher, 'decay': options.decay,
        'unseen_corpora': {name: scores_of(known[name], logits)
                           for name, logits in unseen.items()},
        'adaptation': {name: found for name, each in unseen.items()
                       if (found := simulate_adaptation(known[name], each))},
        'unseen_speakers': {name: scores_of(known[name], leave_speakers_out(
            corpora, name, 5, predict)) for name in options.folds},
        'bundles': {bundle: score_bundle(bundle, corpora, options, console)
                    for bundle in options.bundle}}
    write_file(options.output / FIGURES, json.dumps(figures, indent=2).encode())
    show_scores('corpora', figures['unseen_corpora'], console)
    if figures['unseen_speakers']:
        show_scores('speakers, in five folds', figures['unseen_speakers'], console)
    if figures['adaptation']:
        show_adaptation(figures['adaptation'], console)
    for bundle, scores in figures['bundles'].items():
        show_scores(f'or known corpora, by bundle {bundle}', scores, console)
    console.print(f'written: {options.output / FIGURES}')
    return 0


def read_voices(given: Sequence[str], teacher: str, folder: Path, console: Console
                ) -> list[VoiceVectors]:
    """
    Return the vectors of corpora that are given as NAME=CACHE.

    :raises InvalidInput: if one is not of this form, or has no labelled voices.
    """
    config, found = whisper_config(teacher), []
    for name, cache in caches_of(given).items():
        clips = SpokenClips(ClipCache(cache), folder / 'spoken', console)
        store = make_moments(teacher, config, clips, folder / 'states', console)
        corpus = VoiceVectors.of(name, clips, store)
        if not len(corpus.keys):
            raise InvalidInput(f'--corpus {name}: no clip has both sound and one label')
        found.append(corpus)
    return found


def caches_of(given: Sequence[str]) -> dict[str, Path]:
    """
    Return the caches by the names of corpora that are given as NAME=CACHE.

    :raises InvalidInput: if one is not of this form.
    """
    found = {}
    for each in given:
        name, equals, cache = each.partition('=')
        if not (name and equals and cache):
            raise InvalidInput(f'--corpus {each}: expected NAME=CACHE, e.g. nemo=caches/nemo')
        found[name] = Path(cache)
    return found


def score_bundle(bundle: str, corpora: Sequence[VoiceVectors], options: argparse.Namespace,
                 console: Console) -> dict[str, Any]:
    """Return the scores of a bundle on the voices of each corpus, evenly thinned out."""
    recognizer = Recognizer.load(bundle, prior='flat')
    caches = caches_of(options.corpus)
    scores = {}
    for whole in corpora:
        corpus = whole.where(np.arange(0, len(whole.keys), -(-len(whole.keys) // MOST_CLIPS)))
        clips = SpokenClips(ClipCache(caches[corpus.name]), options.output / 'spoken',
                            console)
        found = [recognizer.recognize(Utterance(audio=clips.audio(key))).probabilities
                 for key in track(corpus.keys, f'{bundle}, {corpus.name}', console=console,
                                  transient=True)]
        scores[corpus.name] = scores_of(corpus, np.log(np.stack(found).clip(min=1e-12)))
    return scores


def linear_predictions(train: Sequence[VoiceVectors], test: VoiceVectors, decay: float
                       ) -> NDArray[np.float32]:
    """Return the logits of a linear model of some corpora for another, (N, 7)."""
    return fit_linear(train, decay).logits(test.vectors)


def show_adaptation(found: Mapping[str, Any], console: Console) -> None:
    """Print the recall without and with adaptation to the speaker."""
    table = Table('corpus', 'order', *(f'utterances {name}' for name in PERIODS),
                  box=box.SIMPLE_HEAD, title='Unseen corpora: unweighted recall % without and '
                  'with what is normal for the voice subtracted')
    for corpus, orders in found.items():
        for order, cells in adaptation_rows(orders):
            table.add_row(corpus, order, *cells)
    console.print(table)


def show_scores(what: str, scores: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print a table of `scores_of` by corpus, and the mean."""
    table = Table('corpus', 'clips', 'speakers', 'unweighted recall %', 'recall by class %',
                  'ECE %', box=box.SIMPLE_HEAD, title=f'Voices of unseen {what}')
    for name, each in scores.items():
        table.add_row(name, str(each['clips']), str(each['speakers']),
                      str(Interval(**each['unweighted_recall'])),
                      ', '.join(f'{k} {100 * v:.0f}' for k, v in each['recall'].items()),
                      f'{100 * each["ece"]:.1f}')
    console.print(table)
    console.print(f'mean: {100 * mean_recall(scores):.1f} %', highlight=False)
