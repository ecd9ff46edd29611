# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `asr`: robustness of a text encoder or a bundle to errors of a speech recogniser."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.table import Table
from training.commands.sources import read_corpus
from training.corpora.examples import DEV, SPLITS
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.asr_errors import ERROR_RATES, plain, word_error_curve
from training.evaluation.models import load_models
from training.evaluation.results import Figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument('model', type=Path, metavar='MODEL',
                        help='run of `train text`, with one seed or several, or a bundle')
    parser.add_argument('--data', type=Path, required=True, metavar='CORPUS',
                        help='cache of `prepare`, folder of MELD, or manifest')
    parser.add_argument('--split', choices=SPLITS, default=DEV)
    parser.add_argument('--rates', type=float, nargs='+', default=list(ERROR_RATES),
                        metavar='RATE', help='word error rates, 0..1')
    parser.add_argument('--output', type=Path, metavar='FILE.json', help='write the scores there')


def run(options: argparse.Namespace) -> int:
    """Score the model at each error rate; return the exit code."""
    reporter = Reporter('asr')
    curve = word_error_curve(load_models(options.model), read_corpus(options.data), options.split,
                             reporter, options.rates)
    table = Table('condition', 'weighted F1 %', 'accuracy %', 'ECE %')
    for name, result in curve.items():
        table.add_row(name, *(_shown(result.figures[key])
                              for key in ('weighted_f1', 'accuracy', 'ece')))
    reporter.console.print(table)
    if options.output:
        write_file(options.output, json.dumps(plain(curve), indent=2).encode())
    return 0


def _shown(figure: Figure) -> str:
    ends = '' if figure.low is None or figure.high is None else \
        f' [{100 * figure.low:.1f}, {100 * figure.high:.1f}]'
    return f'{100 * figure.mean:.1f}{ends}'
