"""What errors of the speech recogniser cost: scores against the word error rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import tempfile
from typing import Any

from mmer_ros.types import Modality
import numpy as np
from training.augment.asr_errors import Recogniser
from training.corpora.clips import TextOnly
from training.corpora.examples import Example
from training.engine.progress import Reporter
from training.evaluation.models import TrainedModel
from training.evaluation.results import measure, Result

ERROR_RATES = (0.0, 0.05, 0.1, 0.2, 0.3)
DRAWS = 3  # of the errors, averaged like seeds


def heard(examples: Sequence[Example], split: str, error_rate: float, seed: int = 0
          ) -> list[Example]:
    """
    Return the examples of a split as a recogniser hears them, history included.

    What words there are, and which sound alike, it knows from the train split.

    :param error_rate: errors a word; 0: only case and marks are lost.
    """
    recogniser = Recogniser(e.text for e in examples if e.split == 'train')
    random = np.random.default_rng([seed, round(1000 * error_rate)])
    return [replace(e, text=recogniser.hear(e.text, error_rate, random))
            for e in examples if e.split == split and e.text]


def word_error_curve(seeds: Sequence[TrainedModel], examples: Sequence[Example], split: str,
                     reporter: Reporter, error_rates: Sequence[float] = ERROR_RATES
                     ) -> dict[str, Result]:
    """
    Return the scores given text alone: 'as written', then for each word error rate.

    :param seeds: of one model; each is asked about DRAWS draws of the errors.
    """
    found: dict[str, Result] = {}
    conditions: list[tuple[str, list[Sequence[Example]]]] = [('as written', [examples])]
    for rate in error_rates:
        draws = range(DRAWS if rate else 1)
        conditions.append((f'word error rate {100 * rate:g} %', [
            heard(examples, split, rate, draw) for draw in draws]))
    with tempfile.TemporaryDirectory() as folder:
        for name, versions in conditions:
            answers = [
                model.predictor(TextOnly(version), split, Path(folder), reporter)
                .predict(Modality.TEXT) for version in versions for model in seeds]
            found[name] = measure(name, Modality.TEXT, answers)
    return found


def plain(curve: dict[str, Result]) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {name: {key: vars(figure) for key, figure in result.figures.items()}
            for name, result in curve.items()}
