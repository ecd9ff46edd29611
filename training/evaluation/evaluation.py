# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole evaluation of a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmer_ros.types import Modality
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from training.engine.predictions import Predictions, Predictor
from training.evaluation.comparisons import compare_all, Comparison
from training.evaluation.conditions import (
    conditions,
    measure_subsets,
    measure_whole,
    Panel,
)
from training.evaluation.embedding_map import EmbeddingMap, map_embeddings
from training.evaluation.learning import LearningCurve, read_learning_curves
from training.evaluation.results import measure, names_of, Result, title_of
from training.evaluation.robustness import Curve, missing_curves, noise_curves, NOISE_LEVELS

PAPER_DATA = 'MELD test'  # what the paper's figures are of


@dataclass(frozen=True)
class Evaluation:
    """
    Results, as `write_report` writes them.

    :param name: of the model.
    :param data: corpus and split, e.g. 'MELD dev'.
    :param seeds: number of models of the recipe.
    :param available: modalities of the data.
    :param subsets: of them, causal, and those with text also with the reply.
    :param others: other models with all their inputs, causal and with the reply.
    :param baselines: simple models on the same data.
    :param ablations: models with a part left out, with all inputs.
    :param specialists: models trained on a subset only.
    :param comparisons: full model against all others, paired by example.
    :param warning: shown on top, e.g. that the data are synthetic.
    """

    name: str
    data: str
    seeds: int
    available: tuple[Modality, ...]
    subsets: tuple[Result, ...]
    curves: tuple[Curve, ...] = ()
    others: tuple[Result, ...] = ()
    baselines: tuple[Result, ...] = ()
    ablations: tuple[Result, ...] = ()
    specialists: tuple[Result, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    embedding_map: EmbeddingMap | None = None
    learning: tuple[LearningCurve, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warning: str = ''

    @property
    def whole(self) -> Modality:
        """All modalities of the data."""
        return Modality.of(self.available)

    @property
    def main(self) -> Result:
        """The model with all inputs, causal: as on a robot."""
        found = self.find(self.whole)
        assert found is not None, 'always measured'
        return found

    def find(self, modalities: Modality, *, causal: bool = True) -> Result | None:
        """Return the result under a condition, if it was measured."""
        return next((r for r in self.subsets
                     if (r.modalities, r.causal) == (modalities, causal)), None)

    def compared(self, first: Result, second: Result) -> Comparison | None:
        """Return the comparison of two results, if there is one."""
        return next((c for c in self.comparisons
                     if (c.first, c.second) == (first.name, second.name)), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        def plain(items: Sequence[Any]) -> list[Any]:
            return [item.to_dict() for item in items]

        return {
            'name': self.name, 'data': self.data, 'seeds': self.seeds,
            'available': names_of(self.whole), 'facts': dict(self.facts),
            'notes': list(self.notes), 'warning': self.warning, 'subsets': plain(self.subsets),
            'robustness': plain(self.curves), 'others': plain(self.others),
            'baselines': plain(self.baselines),
            'ablations': plain(self.ablations), 'specialists': plain(self.specialists),
            'comparisons': plain(self.comparisons), 'learning': plain(self.learning),
            'embedding_map': self.embedding_map.to_dict() if self.embedding_map else None}


def evaluate(predictors: Sequence[Predictor], *, data: str, name: str = '',
             others: Mapping[str, Sequence[Predictor]] | None = None,
             ablations: Mapping[str, Sequence[Predictor]] | None = None,
             specialists: Mapping[Modality, Sequence[Predictor]] | None = None,
             baselines: Sequence[Predictions] = (), runs: Sequence[Path] = (),
             facts: Mapping[str, str] | None = None, notes: Sequence[str] = (),
             warning: str = '', resamples: int = 1000,
             console: Console | None = None) -> Evaluation:
    """
    Measure a model on one split.

    :param predictors: of one recipe, one per seed.
    :param data: corpus and split, e.g. 'MELD dev'; the paper's figures are of 'MELD test'.
    :param name: of the model; by default that of the first predictor.
    :param others: other models by name, one predictor per seed, with all their inputs.
    :param ablations: by name, one predictor per seed, with all inputs.
    :param specialists: by the subset of modalities that they were trained on.
    :param baselines: predictions of simple models on the same split.
    :param runs: folders whose metrics.jsonl are drawn as learning curves.
    :param facts: shown at the top of the page, e.g. bundle and commit.
    :param resamples: of each bootstrap.
    :param console: for progress; None: show none.
    :raises InvalidInput: if seeds predict different examples, or a run folder cannot be read.
    """
    learning = tuple(curve for run in runs for curve in read_learning_curves(run))
    with _progress(console) as (tick, expect):
        panel = Panel(predictors, tick, name)
        available = panel.available()
        expect(len(conditions(available)) - len(available)
               + (len(NOISE_LEVELS) - 1) * len(available) + len(ablations or {})
               + len(specialists or {}) + 4 * len(others or {}) + 1)
        whole = Modality.of(available)
        subsets = measure_subsets(panel, available, resamples=resamples)
        curves = (*noise_curves(panel, available, resamples=resamples),
                  *missing_curves(panel, available, resamples=resamples))
        beside = [result for title, each in (others or {}).items()
                  for result in measure_whole(Panel(each, tick, title), resamples=resamples)]
        ablated = [measure(title, whole, Panel(each, tick).ask(whole), resamples=resamples)
                   for title, each in (ablations or {}).items()]
        special = [measure(f'Trained on {title_of(subset).lower()} only', subset,
                           Panel(each, tick).ask(subset), resamples=resamples)
                   for subset, each in (specialists or {}).items()]
        drawn = map_embeddings(panel.ask(whole)[0])
        tick()
    simple = tuple(measure(p.name, Modality.TEXT, [p], resamples=resamples) for p in baselines)
    comparisons = compare_all(subsets, beside, simple, ablated, special, resamples=resamples)
    return Evaluation(
        panel.name, data, len(predictors), tuple(available), subsets, curves, tuple(beside),
        simple, tuple(ablated), tuple(special), comparisons, drawn, learning, dict(facts or {}),
        tuple(notes), warning)


@contextmanager
def _progress(console: Console | None) -> Iterator[tuple[Callable[[], None],
                                                         Callable[[int], None]]]:
    """Yield functions that advance the bar by a condition, and set the number to come."""
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=console is None) as bar:
        task = bar.add_task('evaluating', total=3)
        yield (lambda: bar.advance(task),
               lambda more: bar.update(task, total=3 + more))
