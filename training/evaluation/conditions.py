# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Evaluation under many conditions: subsets of modalities, with and without the reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mmer_ros.types import InvalidInput, MODALITIES, Modality, SUBSETS
from training.engine.predictions import Predictions, Predictor
from training.evaluation.results import align, measure, Result, title_of

Question = tuple[Modality, bool, tuple[tuple[Modality, float], ...]]


class Panel:
    """
    The seeds of one recipe, evaluated together; predictions are cached.

    :param predictors: one per seed.
    :param tick: called after each condition.
    :param name: of the recipe, as tables show it; by default that of the first seed.
    """

    def __init__(self, predictors: Sequence[Predictor],
                 tick: Callable[[], None] = lambda: None, name: str = '') -> None:
        if not predictors:
            raise InvalidInput('evaluation: there is no model; expected one per seed')
        self.name = name or predictors[0].name
        self._predictors = predictors
        self._tick = tick
        self._answers: dict[Question, tuple[Predictions, ...]] = {}

    def ask(self, modalities: Modality, *, causal: bool = True,
            noise: Mapping[Modality, float] | None = None) -> tuple[Predictions, ...]:
        """Return the predictions of each seed, aligned; empty if no example has these."""
        question = (modalities, causal, tuple(sorted((noise or {}).items())))
        if question not in self._answers:
            self._answers[question] = align([
                predictor.predict(modalities, causal=causal, noise=noise, seed=seed)
                for seed, predictor in enumerate(self._predictors)])
            self._tick()
        return self._answers[question]

    def available(self) -> list[Modality]:
        """
        Return the modalities that any example has.

        :raises InvalidInput: if there is none.
        """
        found = [m for m in MODALITIES if self.ask(m)[0].keys]
        if not found:
            raise InvalidInput(f'{self.name}: no example has text, audio or faces that the '
                               'model uses; check that the split is not empty and, for audio '
                               'and faces, that the data are a cache of `prepare`')
        return found


def subsets(available: Sequence[Modality]) -> list[Modality]:
    """Return all non-empty subsets: single modalities first, all together last."""
    whole = Modality.of(available)
    return sorted((subset for subset in SUBSETS if subset in whole),
                  key=lambda subset: (subset.bit_count(), int(subset)))


def conditions(available: Sequence[Modality]) -> list[tuple[Modality, bool]]:
    """Return each subset and whether it is causal; those with text also with the reply."""
    return [(subset, causal) for subset in subsets(available) for causal in (True, False)
            if causal or Modality.TEXT in subset]


def measure_subsets(panel: Panel, available: Sequence[Modality], *,
                    resamples: int = 1000) -> tuple[Result, ...]:
    """Measure a model under all possible conditions."""
    return tuple(
        measure(title_of(subset) + reply_title(causal), subset, answers, causal=causal,
                resamples=resamples)
        for subset, causal in conditions(available)
        if (answers := panel.ask(subset, causal=causal))[0].keys)


def measure_whole(panel: Panel, *, resamples: int = 1000) -> tuple[Result, ...]:
    """Measure a model with all its inputs: causal, and with the reply if it reads text."""
    whole = Modality.of(panel.available())
    return tuple(
        measure(panel.name + reply_title(causal), whole, answers, causal=causal,
                resamples=resamples)
        for causal in (True, False)
        if (causal or Modality.TEXT in whole)
        and (answers := panel.ask(whole, causal=causal))[0].keys)


def reply_title(causal: bool) -> str:
    """Return the suffix of a title for results with the reply."""
    return '' if causal else ', with reply'
