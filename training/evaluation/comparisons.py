# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Paired comparisons of models, by example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.evaluation.metrics import Difference, paired_difference
from mmer_ros.types import Modality
import numpy as np
from training.evaluation.results import Result, select, STATISTICS


@dataclass(frozen=True)
class Comparison:
    """
    Difference of two models on the examples that both predict.

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


def compare_all(subsets: Sequence[Result], others: Sequence[Result],
                baselines: Sequence[Result], ablations: Sequence[Result],
                specialists: Sequence[Result], *, resamples: int = 1000
                ) -> tuple[Comparison, ...]:
    """
    Return the comparisons of a report.

    The whole model is compared with each single modality, with itself given the reply, and with
    every other model; its subsets with models of just these modalities; and everything that is
    not a baseline with the baselines.

    :param subsets: of the whole model; the one with the most modalities is the whole.
    """
    causal = {r.modalities: r for r in subsets if r.causal}
    whole = max(causal.values(), key=lambda r: r.modalities.bit_count())
    parts = {m: r for m, r in causal.items() if r is not whole}
    replied = [r for r in subsets if not r.causal and r.modalities == whole.modalities]
    rivals = [r for r in others if r.causal]
    alone = [r for r in (*parts.values(), *specialists) if r.modalities.bit_count() == 1]
    pairs = [(whole, other) for other in (*alone, *rivals, *baselines, *ablations)]
    pairs += [(other, whole) for other in replied]
    pairs += [(parts[other.modalities], other) for other in (*rivals, *specialists)
              if other.modalities in parts]
    text = [r for m, r in parts.items() if m == Modality.TEXT]
    pairs += [(each, simple) for each in (*replied, *text, *others) for simple in baselines]
    found = [compare(first, second, resamples=resamples) for first, second in pairs]
    return tuple(each for each in found if each is not None)
