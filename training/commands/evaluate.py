# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `evaluate`: scores on a split, with intervals, of models and a baseline.

Models are runs of `train text|audio|face` and bundles. Those that differ only in the seed are one
model with mean and deviation. The report is about the first model with the most modalities, and
compares it with the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmer_ros.types import InvalidInput
from training.commands.sources import read_clips
from training.commands.terminal import shown
from training.corpora.clips import Clips
from training.corpora.examples import DEV, Example, SPLITS, TRAIN
from training.engine.predictions import FixedPredictor, Predictions, Predictor
from training.engine.progress import Reporter
from training.engine.run_folder import commit
from training.evaluation.evaluation import evaluate, PAPER_DATA
from training.evaluation.models import by_origin, load_models, TrainedModel
from training.evaluation.report import write_report
from training.evaluation.tables import models_table
from training.evaluation.tfidf_baseline import tfidf_baseline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('models', nargs='*', type=Path, metavar='MODEL',
                        help='run of `train text|audio|face`, or bundle; several seeds of one '
                             'model, or several models')
    parser.add_argument('--curves', type=Path, action='append', default=[], metavar='RUN',
                        help='further run whose learning curves are drawn, e.g. of `train fusion`')
    parser.add_argument('--baseline', choices=('tfidf',), help='train a baseline and compare')
    add_report_arguments(parser)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the reports of `evaluate` and `ablate`."""
    parser.add_argument('--data', type=Path, required=True, metavar='CORPUS',
                        help='cache of `prepare`; for text alone also MELD or a manifest, for '
                             'faces alone FER2013')
    parser.add_argument('--data-name', default='', metavar='NAME',
                        help='name of the corpus; the figures of the paper are of '
                             f'{PAPER_DATA.split()[0]} (default: the name of the folder)')
    parser.add_argument('--split', default=DEV, choices=SPLITS)
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER',
                        help='folder of evaluation.json, predictions, tables and page')
    parser.add_argument('--features', type=Path, metavar='FOLDER',
                        help='folder of the features (default: in --output)')


def run(options: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    if not options.models and not options.baseline:
        raise InvalidInput('evaluate: nothing to score; name a run, a bundle, or --baseline tfidf')
    reporter, clips = Reporter('evaluate'), read_clips(options.data)
    found = by_origin([model for path in options.models for model in load_models(path)])
    predictors = {
        name: [model.predictor(clips, options.split, features_folder(options), reporter)
               for model in seeds] for name, seeds in found.items()}
    baselines = [_baseline(clips.examples, options.split)] if options.baseline else []
    main, asked = _main(found, predictors, baselines)
    evaluation = evaluate(
        asked, name=main, data=data_name(options),
        others={name: each for name, each in predictors.items() if name != main},
        baselines=baselines if found else [],
        runs=[*(run for seeds in found.values() for model in seeds for run in model.runs),
              *options.curves],
        facts=facts_of(clips, options, {name: ', '.join(str(m.path) for m in each)
                                        for name, each in found.items()}),
        console=reporter.console)
    page = write_report(evaluation, options.output)
    reporter.console.print(shown(models_table(evaluation)))
    reporter.console.print(f'written: {page}')
    return 0


def features_folder(options: argparse.Namespace) -> Path:
    """Return the folder of the features."""
    folder: Path = options.features or options.output / 'features'
    return folder


def data_name(options: argparse.Namespace) -> str:
    """Return corpus and split, e.g. `MELD dev`."""
    return f'{options.data_name or options.data.resolve().name} {options.split}'


def facts_of(clips: Clips, options: argparse.Namespace, models: Mapping[str, str]
             ) -> dict[str, str]:
    """Return corpus, models and commit, as shown on the page."""
    of_split = [e for e in clips.examples if e.split == options.split]
    labelled = sum(bool(e.labels) for e in of_split)
    return {'Corpus': str(options.data), 'Split': f'{options.split}, {labelled} labelled of '
            f'{len(of_split)} examples', **models, 'Commit': commit() or 'unknown'}


def _main(found: Mapping[str, Sequence[TrainedModel]],
          predictors: Mapping[str, Sequence[Predictor]], baselines: Sequence[Predictions]
          ) -> tuple[str, Sequence[Predictor]]:
    """Return name and seeds of the model that the report is about."""
    if not found:
        return baselines[0].name, [FixedPredictor(baselines[0])]
    main = max(found, key=lambda name: len(found[name][0].encoders))  # the first largest one
    return main, predictors[main]


def _baseline(examples: Sequence[Example], split: str) -> Predictions:
    return tfidf_baseline([e for e in examples if e.split == TRAIN],
                          [e for e in examples if e.split == split])
