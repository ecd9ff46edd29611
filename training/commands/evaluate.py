"""
Command `evaluate`: scores on a split, with intervals, beside the baseline.

Text encoders give a table; bundles give the whole report: all subsets of modalities, with the
reply and without, missing and noisy modalities, the paper's tables, and a page.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any

from mmer_ros.bundle import Bundle
from mmer_ros.metrics import (
    bootstrap_interval,
    Difference,
    Interval,
    paired_difference,
    score,
    Scores,
    weighted_f1,
)
from mmer_ros.types import InvalidInput, Modality
from rich.console import Console
from rich.table import Table
from training.commands.sources import read_corpus
from training.corpora.examples import Example
from training.encoders import TrainedEncoder
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.evaluation import evaluate
from training.evaluation.report import write_report
from training.fusion.features import make_features
from training.fusion.predictor import FusionPredictor
from training.predictions import Predictions
from training.preparation.clip_cache import ClipCache
from training.text.baseline import tfidf_baseline
from training.text.predictions import predict_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('runs', nargs='*', type=Path, metavar='RUN', help='run of `train text`')
    parser.add_argument('--bundle', type=Path, action='append', default=[], metavar='FOLDER',
                        help='bundle, or one for each seed; --data is then a cache')
    parser.add_argument('--data', type=Path, required=True, metavar='CORPUS')
    parser.add_argument('--split', default='dev', choices=('train', 'dev', 'test'))
    parser.add_argument('--baseline', choices=('tfidf',), help='train and score it beside')
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER',
                        help='predictions and evaluation.json are written here')


def run(options: argparse.Namespace) -> int:
    """Evaluate; return the exit code."""
    if options.bundle:
        return _report(options)
    if not options.runs and not options.baseline:
        raise InvalidInput('evaluate: nothing to score; name a run, or --baseline tfidf')
    examples = read_corpus(options.data)
    answers = []
    for path in options.runs:
        trained = TrainedEncoder.load(path, Modality.TEXT)
        answers += [predict_text(trained, examples, split=options.split, with_reply=reply,
                                 name=path.name + ' (with reply)' * reply)
                    for reply in (False, True)]
    if options.baseline:
        answers.append(_baseline(examples, options.split))
    baseline = answers[-1] if options.baseline else None
    rows = {answer.name: row_of(answer, baseline) for answer in answers}
    for number, answer in enumerate(answers):
        answer.save(options.output / f'predictions-{number}.safetensors')
    models = {name: row.to_dict() for name, row in rows.items()}
    write_file(options.output / 'evaluation.json', json.dumps(
        {'split': options.split, 'models': models}, indent=2).encode())
    _show(rows, options.split)
    return 0


def _report(options: argparse.Namespace) -> int:
    """Evaluate bundles of one recipe, one for each seed, and write the page."""
    cache, reporter = ClipCache(options.data), Reporter('evaluate')
    examples = [e for e in cache.examples if e.split == options.split]
    predictors = []
    for path in options.bundle:
        bundle = Bundle.load(path)
        causal, with_reply = (make_features(
            bundle, cache, options.output / 'features', reporter, splits=[options.split],
            with_reply=reply) for reply in (False, True))
        predictors.append(FusionPredictor(
            path.name, bundle.model.fusion, causal, examples, with_reply=with_reply,
            temperatures=bundle.config.temperatures, trust=bundle.config.trust))
    baselines = [_baseline(cache.examples, options.split)] if options.baseline else []
    evaluation = evaluate(predictors, data=f'{options.data.name} {options.split}',
                          baselines=baselines, runs=options.runs, console=reporter.console)
    reporter.console.print(f'written: {write_report(evaluation, options.output)}')
    return 0


def _baseline(examples: Sequence[Example], split: str) -> Predictions:
    said = [e for e in examples if e.text and e.labels]
    return tfidf_baseline([e for e in said if e.split == 'train'],
                          [e for e in said if e.split == split])


@dataclass(frozen=True)
class Row:
    """Figures of one model: all scores, the interval of its weighted F1, and its lead."""

    scores: Scores
    weighted_f1: Interval
    lead: Difference | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the intervals are of 95 %."""
        plain = {**self.scores.to_dict(),
                 'weighted_f1_interval': [self.weighted_f1.low, self.weighted_f1.high]}
        if self.lead is not None:
            plain['lead_over_baseline'] = asdict(self.lead)
        return plain


def row_of(answers: Predictions, baseline: Predictions | None) -> Row:
    """Return the figures of a model, and its lead over the baseline on the same examples."""
    lead = None
    if baseline is not None and baseline is not answers:
        place = {key: i for i, key in enumerate(baseline.keys)}
        lead = paired_difference(weighted_f1, answers.labels, answers.probabilities,
                                 baseline.probabilities[[place[key] for key in answers.keys]])
    return Row(score(answers.labels, answers.probabilities),
               bootstrap_interval(weighted_f1, answers.labels, answers.probabilities), lead)


def _show(rows: Mapping[str, Row], split: str) -> None:
    table = Table('model', 'weighted F1', 'lead', 'harmonic F1', 'accuracy', 'balanced', 'ECE',
                  title=f'{split} split, in %, with 95 % bootstrap intervals')
    for name, row in rows.items():
        s = row.scores
        table.add_row(name, str(row.weighted_f1), '' if row.lead is None else str(row.lead),
                      *(f'{100 * figure:.1f}' for figure in (
                          s.harmonic_f1, s.accuracy, s.balanced_accuracy, s.ece)))
    Console().print(table)
