# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `texts`: what text encoders answer to dialogues that they have not learnt from.

One encoder for each fold of the train split's dialogues is trained by the same recipe without the
fold and answers it; the finished run answers the dev split. Temperatures and offsets of a bundle
can be fitted on these answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer_ros.types import Modality
from rich.console import Console
from training.commands.sources import read_corpus
from training.commands.train import add_recipe_arguments
from training.corpora.digest import digest_of
from training.corpora.examples import DEV, TRAIN
from training.encoders.text.cross_fitting import folds_of, without_fold
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.evaluation.unseen_texts import unseen_texts, UnseenTexts

ANSWERS = 'unseen_texts.npz'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--data', type=Path, required=True, metavar='CORPUS', help=(
        'cache of `prepare`, folder of MELD, or manifest'))
    parser.add_argument('--extra', type=Path, action='append', default=[], metavar='CORPUS',
                        help='corpus for pre-training; may be repeated')
    parser.add_argument('--text', type=Path, required=True, metavar='RUN', help=(
        'run of `train text` on the whole train split by the same recipe; it answers the dev '
        'split'))
    parser.add_argument('--folds', type=int, default=3, metavar='N',
                        help='folds of the dialogues (default: 3)')
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER', help=(
        f'of the runs without a fold and of {ANSWERS}; the same command resumes'))
    add_recipe_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train and ask the encoders; return the exit code."""
    config = load_settings(TextConfig, options.recipe, options.settings)
    main, extra = read_corpus(options.data), [read_corpus(path) for path in options.extra]
    folds = folds_of(main, options.folds)
    parts = []
    for fold in range(max(folds.values()) + 1):
        examples, folder = without_fold(main, folds, fold), options.output / f'fold{fold}'
        RunFolder(folder).record_data({'corpus': digest_of(examples),
                                       'extra': [digest_of(corpus) for corpus in extra]})
        encoder = train_text(config, examples, extra, folder, Reporter(f'text/fold{fold}'))
        parts.append(unseen_texts(encoder, examples, DEV, TRAIN))
    shipped = TrainedEncoder.load(options.text, Modality.TEXT)
    parts.append(unseen_texts(shipped, main, DEV))
    found = UnseenTexts.join(parts)
    found.save(options.output / ANSWERS)
    console = Console(stderr=True)
    for split in (TRAIN, DEV):
        for condition, score in found.of(split).scores().items():
            console.print(f'{split}, {condition}: weighted F1 {score}', highlight=False)
    console.print(f'written: {options.output / ANSWERS}', highlight=False, soft_wrap=True)
    return 0
