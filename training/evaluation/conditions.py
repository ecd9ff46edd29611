"""Models asked under many conditions, each once: subsets of modalities, with and without reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mmer_ros.types import InvalidInput, MODALITIES, Modality
from training.evaluation.results import align, measure, Result, title_of
from training.predictions import Predictions, Predictor

Question = tuple[Modality, bool, tuple[tuple[Modality, float], ...]]


class Panel:
    """
    The seeds of one recipe, which answer together; what was asked before is not asked again.

    :param predictors: one per seed.
    :param told: called after each condition that was asked.
    """

    def __init__(self, predictors: Sequence[Predictor],
                 told: Callable[[], None] = lambda: None) -> None:
        """Ask nothing yet."""
        if not predictors:
            raise InvalidInput('evaluation: there is no model; expected one per seed')
        self.name = predictors[0].name
        self._predictors = predictors
        self._told = told
        self._answers: dict[Question, tuple[Predictions, ...]] = {}

    def ask(self, modalities: Modality, *, causal: bool = True,
            noise: Mapping[Modality, float] | None = None) -> tuple[Predictions, ...]:
        """Return the answers of each seed, aligned; without examples if none has these."""
        question = (modalities, causal, tuple(sorted((noise or {}).items())))
        if question not in self._answers:
            self._answers[question] = align([
                predictor.predict(modalities, causal=causal, noise=noise, seed=seed)
                for seed, predictor in enumerate(self._predictors)])
            self._told()
        return self._answers[question]

    def available(self) -> list[Modality]:
        """
        Return the modalities that at least one example has.

        :raises InvalidInput: if there is none.
        """
        found = [m for m in MODALITIES if self.ask(m)[0].keys]
        if not found:
            raise InvalidInput(f'{self.name}: no example has text, audio or faces; '
                               'check that the split is not empty')
        return found


def subsets(available: Sequence[Modality]) -> list[Modality]:
    """Return all subsets but the empty one: single ones first, all together last."""
    whole = together(available)
    found = [Modality(bits) for bits in range(1, 8) if Modality(bits) in whole]
    return sorted(found, key=lambda subset: (subset.bit_count(), int(subset)))


def together(modalities: Sequence[Modality]) -> Modality:
    """Return the union."""
    whole = Modality(0)
    for modality in modalities:
        whole |= modality
    return whole


def conditions(available: Sequence[Modality]) -> list[tuple[Modality, bool]]:
    """Return each subset as causal, and those with text with the reply too."""
    return [(subset, causal) for subset in subsets(available) for causal in (True, False)
            if causal or Modality.TEXT in subset]


def measure_subsets(panel: Panel, available: Sequence[Modality], *,
                    resamples: int = 1000) -> tuple[Result, ...]:
    """Measure a model under all conditions."""
    return tuple(
        measure(title_of(subset) + ('' if causal else ', with reply'), subset,
                panel.ask(subset, causal=causal), causal=causal, resamples=resamples)
        for subset, causal in conditions(available))
