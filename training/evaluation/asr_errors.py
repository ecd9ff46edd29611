# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Robustness to errors of a speech recogniser: scores by word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import tempfile
from typing import Any

from mmer_ros.types import Modality
import numpy as np
from training.augment.asr_errors import AsrSimulator
from training.corpora.clips import TextOnly
from training.corpora.examples import Example, TRAIN
from training.engine.progress import Reporter
from training.evaluation.models import TrainedModel
from training.evaluation.results import measure, Result

ERROR_RATES = (0.0, 0.05, 0.1, 0.2, 0.3)
DRAWS = 3  # of the errors, averaged like seeds


def transcripts(examples: Sequence[Example], split: str, error_rate: float, seed: int = 0
                ) -> list[Example]:
    """
    Return the examples of a split as simulated transcripts, history included.

    The simulated recogniser knows the words of the train split.

    :param error_rate: errors per word; with 0 only case and punctuation are lost.
    """
    recogniser = AsrSimulator(e.text for e in examples if e.split == TRAIN)
    random = np.random.default_rng([seed, round(1000 * error_rate)])
    return [replace(e, text=recogniser.transcribe(e.text, error_rate, random))
            for e in examples if e.split == split and e.text]


def word_error_curve(seeds: Sequence[TrainedModel], examples: Sequence[Example], split: str,
                     reporter: Reporter, error_rates: Sequence[float] = ERROR_RATES
                     ) -> dict[str, Result]:
    """
    Return the scores from text alone: 'as written', then for each word error rate.

    :param seeds: of one model; each is evaluated on DRAWS draws of the errors.
    """
    found: dict[str, Result] = {}
    conditions: list[tuple[str, list[Sequence[Example]]]] = [('as written', [examples])]
    for rate in error_rates:
        draws = range(DRAWS if rate else 1)
        conditions.append((f'word error rate {100 * rate:g} %', [
            transcripts(examples, split, rate, draw) for draw in draws]))
    with tempfile.TemporaryDirectory() as folder:
        for name, versions in conditions:
            predictions = [
                model.predictor(TextOnly(version), split, Path(folder), reporter)
                .predict(Modality.TEXT) for version in versions for model in seeds]
            found[name] = measure(name, Modality.TEXT, predictions)
    return found


def plain(curve: dict[str, Result]) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {name: {key: vars(figure) for key, figure in result.figures.items()}
            for name, result in curve.items()}
