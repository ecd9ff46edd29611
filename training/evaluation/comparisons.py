"""Which model is better, and how sure that is: paired by example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.metrics import Difference, paired_difference
from mmer_ros.types import Modality
import numpy as np
from training.evaluation.results import Result, select, STATISTICS


@dataclass(frozen=True)
class Comparison:
    """
    Whether one model is better than another on the examples that both answered.

    :param statistic: name in STATISTICS.
    """

    first: str
    second: str
    statistic: str
    count: int
    difference: Difference

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), 'difference': vars(self.difference)}


def compare(first: Result, second: Result, statistic: str = 'weighted_f1', *,
            resamples: int = 1000) -> Comparison | None:
    """Compare two models, paired by example; None if they share no example."""
    shared = set(first.predictions[0].keys) & set(second.predictions[0].keys)
    if not shared:
        return None
    keys = [key for key in first.predictions[0].keys if key in shared]
    ours = [select(p, keys) for p in first.predictions]
    theirs = [select(p, keys) for p in second.predictions]
    difference = paired_difference(
        STATISTICS[statistic], ours[0].labels, np.stack([p.probabilities for p in ours]),
        np.stack([p.probabilities for p in theirs]), resamples=resamples)
    return Comparison(first.name, second.name, statistic, len(keys), difference)


def compare_all(subsets: Sequence[Result], baselines: Sequence[Result],
                ablations: Sequence[Result], specialists: Sequence[Result], *,
                resamples: int = 1000) -> tuple[Comparison, ...]:
    """
    Compare what a reader asks for.

    The whole model with each single modality, with itself given the reply, with every baseline
    and ablation; its text alone with every baseline; and each of its subsets with the model
    that was trained for that subset.

    :param subsets: of the whole model; the one with the most modalities is the whole.
    """
    causal = {r.modalities: r for r in subsets if r.causal}
    whole = max(causal.values(), key=lambda r: r.modalities.bit_count())
    alone = [r for r in causal.values() if r.modalities.bit_count() == 1 and r is not whole]
    replied = [r for r in subsets if not r.causal and r.modalities == whole.modalities]
    pairs = [(whole, other) for other in (*alone, *baselines, *ablations)]
    pairs += [(other, whole) for other in replied]
    pairs += [(text, other) for text in alone if text.modalities == Modality.TEXT
              for other in baselines]
    pairs += [(causal[other.modalities], other) for other in specialists
              if other.modalities in causal]
    found = [compare(first, second, resamples=resamples) for first, second in pairs]
    return tuple(each for each in found if each is not None)
