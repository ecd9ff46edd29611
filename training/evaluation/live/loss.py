# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the live path loses against the offline evaluation, over all dialogues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmer_ros.evaluation.metrics import (
    accuracy,
    bootstrap_interval,
    Difference,
    Interval,
    paired_difference,
    Statistic,
    weighted_f1,
)
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from training.evaluation.live.path import LiveDialogue, LiveUtterance
from training.evaluation.live.steps import ALONE, Cut, CUTS, LIVE, OFFLINE, STEPS

STATISTICS: dict[str, Statistic] = {'accuracy': accuracy, 'weighted_f1': weighted_f1}
SILENT = len(EMOTIONS)  # the answer of a robot that does not answer


@dataclass(frozen=True)
class StepScore:
    """
    A step, on the clips that have an estimate.

    :param figures: accuracy and weighted_f1.
    :param changes: by the same names, less the step before; None for the first.
    :param totals: less the offline answers.
    """

    name: str
    what: str
    figures: dict[str, Interval]
    changes: dict[str, Difference] | None
    totals: dict[str, Difference] | None


@dataclass(frozen=True)
class CutScore:
    """Clips that were cut in one way; the accuracies are fractions, live None without answers."""

    cut: Cut
    count: int
    offline: float
    live: float | None


class LiveLoss:
    """
    The whole report on the loss.

    :raises InvalidInput: if no clip has an estimate.
    """

    def __init__(self, dialogues: Sequence[LiveDialogue]) -> None:
        """Take the answers."""
        self.utterances = [u for dialogue in dialogues for u in dialogue.utterances]
        self.answered = [u for u in self.utterances if u.answered]
        self.spurious = sum(dialogue.spurious for dialogue in dialogues)
        self.left_out = sum(dialogue.left_out for dialogue in dialogues)
        if not self.answered:
            raise InvalidInput('live: none of the labelled clips has an estimate; look at '
                               'summary.json in the replays, and whether --data is the cache of '
                               '--meld')
        self.labels = _labels(self.answered)

    def steps(self) -> list[StepScore]:
        """Return the way from offline to live."""
        before = (None, *(step.name for step in STEPS))
        return [self._score(step.name, step.what, name) for step, name in zip(STEPS, before)]

    def alone(self) -> list[StepScore]:
        """Return what each modality loses if it alone is live."""
        return [self._score(step.name, step.what, OFFLINE) for step in ALONE]

    def everything(self, step: str) -> dict[str, float]:
        """Return the figures over all labelled clips; where there is no answer, it is wrong."""
        answers = [int(np.argmax(u.logits[step])) if step in u.logits else SILENT
                   for u in self.utterances]
        confusion = np.zeros((SILENT + 1, SILENT + 1), np.int64)
        np.add.at(confusion, (_labels(self.utterances), np.array(answers)), 1)
        return {name: float(statistic(confusion)) for name, statistic in STATISTICS.items()}

    def cuts(self) -> list[CutScore]:
        """Return how good the answers are by what became of the clips."""
        rows = []
        for cut in CUTS:
            chosen = [u for u in self.utterances if u.cut == cut]
            if chosen:
                answered = [u for u in chosen if u.answered]
                rows.append(CutScore(cut, len(chosen), _right(chosen, OFFLINE),
                                     _right(answered, LIVE) if answered else None))
        return rows

    def causes(self) -> dict[str, int]:
        """Return how many clips are concerned by what, of those with an estimate."""
        def count(condition: Callable[[LiveUtterance], bool]) -> int:
            return sum(map(condition, self.answered))

        def lacks(u: LiveUtterance, name: str) -> bool:
            return name in u.offline.split('+') and name not in u.live.split('+')

        return {
            'words as they were said': count(lambda u: u.said),
            'words that came late: the estimate was revised': count(lambda u: u.revised),
            'no words': count(lambda u: lacks(u, 'text')),
            'other words than were said': count(
                lambda u: not u.said and 'text' in u.live.split('+')),
            'no face, although offline there is one': count(lambda u: lacks(u, 'face')),
            'a face, although offline there is none': count(
                lambda u: 'face' in u.live.split('+') and 'face' not in u.offline.split('+')),
            'right offline, wrong live': count(
                lambda u: _is_right(u, OFFLINE) and not _is_right(u, LIVE)),
            'wrong offline, right live': count(
                lambda u: not _is_right(u, OFFLINE) and _is_right(u, LIVE))}

    def boundaries(self) -> dict[str, dict[str, float]]:
        """Return how far utterances begin and end from their clips, seconds."""
        errors = np.array([[u.start_error, u.end_error] for u in self.answered])
        return {name: {'mean': float(column.mean()), 'mean_abs': float(np.abs(column).mean()),
                       'p95_abs': float(np.percentile(np.abs(column), 95))}
                for name, column in zip(('start', 'end'), errors.T, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            'clips': len(self.utterances), 'answered': len(self.answered),
            'clips_left_out': self.left_out, 'spurious': self.spurious,
            'all_clips': {name: self.everything(name) for name in (OFFLINE, LIVE)},
            'steps': [asdict(row) for row in self.steps()],
            'alone': [asdict(row) for row in self.alone()],
            'cuts': [asdict(row) for row in self.cuts()], 'causes': self.causes(),
            'boundaries_s': self.boundaries(),
            'utterances': [u.model_dump() for u in self.utterances]}

    def _score(self, name: str, what: str, before: str | None) -> StepScore:
        own = self._probabilities(name)

        def less(other: str) -> dict[str, Difference]:
            return {key: paired_difference(statistic, self.labels, own,
                                           self._probabilities(other))
                    for key, statistic in STATISTICS.items()}

        figures = {key: bootstrap_interval(statistic, self.labels, own)
                   for key, statistic in STATISTICS.items()}
        first = before is None
        return StepScore(name, what, figures, None if first else less(str(before)),
                         None if first else less(OFFLINE))

    def _probabilities(self, step: str) -> NDArray[np.float64]:
        logits = np.array([u.logits[step] for u in self.answered], np.float64)
        result: NDArray[np.float64] = softmax(logits, axis=1)
        return result


def _labels(utterances: Sequence[LiveUtterance]) -> NDArray[np.int64]:
    return np.array([u.label for u in utterances], np.int64)


def _is_right(utterance: LiveUtterance, step: str) -> bool:
    return int(np.argmax(utterance.logits[step])) == utterance.label


def _right(utterances: Sequence[LiveUtterance], step: str) -> float:
    return sum(_is_right(u, step) for u in utterances) / len(utterances)
