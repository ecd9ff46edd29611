"""Models asked under many conditions, each once: subsets of modalities, with and without reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mmer_ros.types import InvalidInput, MODALITIES, Modality
from training.engine.predictions import Predictions, Predictor
from training.evaluation.results import align, measure, Result, title_of

Question = tuple[Modality, bool, tuple[tuple[Modality, float], ...]]


class Panel:
    """
    The seeds of one recipe, which answer together; what was asked before is not asked again.

    :param predictors: one per seed.
    :param told: called after each condition that was asked.
    :param name: of the recipe, as tables show it; by default that of the first seed.
    """

    def __init__(self, predictors: Sequence[Predictor],
                 told: Callable[[], None] = lambda: None, name: str = '') -> None:
        """Ask nothing yet."""
        if not predictors:
            raise InvalidInput('evaluation: there is no model; expected one per seed')
        self.name = name or predictors[0].name
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
            raise InvalidInput(f'{self.name}: no example has text, audio or faces that it takes; '
                               'check that the split is not empty and, for audio and faces, '
                               'that the data are a cache of `prepare`')
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
    """Measure a model under all conditions under which it can be asked."""
    return tuple(
        measure(title_of(subset) + reply_title(causal), subset, answers, causal=causal,
                resamples=resamples)
        for subset, causal in conditions(available)
        if (answers := panel.ask(subset, causal=causal))[0].keys)


def measure_whole(panel: Panel, *, resamples: int = 1000) -> tuple[Result, ...]:
    """Measure a model given all that it takes: causal, and with the reply if it can read it."""
    whole = together(panel.available())
    return tuple(
        measure(panel.name + reply_title(causal), whole, answers, causal=causal,
                resamples=resamples)
        for causal in (True, False)
        if (causal or Modality.TEXT in whole)
        and (answers := panel.ask(whole, causal=causal))[0].keys)


def reply_title(causal: bool) -> str:
    """Return what tells a result with the reply from a causal one."""
    return '' if causal else ', with reply'
