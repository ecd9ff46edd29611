# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The card of a fine-tuned bundle: whether it beat the one that it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmer_ros.evaluation.metrics import accuracy, confusion_matrices, Interval, weighted_f1
from mmer_ros.types import Modality
import numpy as np
from training.corpora.examples import Example
from training.engine.predictions import Predictions, Predictor
from training.evaluation.grouped_bootstrap import grouped_difference

FEW_PEOPLE = 5  # below which an interval over people says little


@dataclass(frozen=True)
class Row:
    """
    A subset of the modalities, before and after.

    :param before, after: accuracy and weighted F1, 0..1.
    :param gain: of weighted F1, with its interval over people.
    """

    subset: str
    count: int
    before: tuple[float, float]
    after: tuple[float, float]
    gain: Interval


def compare_by_person(before: Predictor, after: Predictor, person: Mapping[str, str],
                      subsets: Sequence[Modality]) -> list[Row]:
    """
    Compare two models on the same recordings, for each of some subsets of the modalities.

    :param person: of each example, by key.
    """
    rows = []
    for subset in subsets:
        old, new = before.predict(subset), after.predict(subset)
        if not new.keys:
            continue
        place = {key: i for i, key in enumerate(old.keys)}
        order = [place[key] for key in new.keys]
        old = Predictions(old.name, list(new.keys), old.labels[order], old.logits[order])
        groups = np.array([person[key] for key in new.keys])
        rows.append(Row(subset.title, len(new.keys), _scores(old), _scores(new),
                        grouped_difference(weighted_f1, new.labels, new.probabilities,
                                           old.probabilities, groups)))
    return rows


def _scores(found: Predictions) -> tuple[float, float]:
    matrix = confusion_matrices(found.labels, found.probabilities[None])[0]
    return float(accuracy(matrix)), float(weighted_f1(matrix))


def verdict(base: str, rows: Sequence[Row], people: int, by_person: bool) -> str:
    """Return the sentences that matter: whether it beat the bundle that it began with."""
    whole = max(rows, key=lambda row: (row.count, row.subset.count('+')))
    low, high = 100 * whole.gain.low, 100 * whole.gain.high
    whom = f'`{base}` on {"people" if by_person else "recordings"} that it had not learnt from'
    figures = (f'{100 * whole.gain.value:+.1f} points of weighted F1, 95 % interval {low:+.1f} to '
               f'{high:+.1f}')
    if low > 0:
        text = f'It beat {whom}: {figures}.'
    elif high < 0:
        text = f'It is worse than {whom}: {figures}. Use `{base}`.'
    else:
        text = (f'It did not beat {whom}, as far as these recordings can show: {figures}. Stay '
                f'with `{base}`, or record more people.')
    if not by_person:
        text += (' All recordings are of one person, or `speaker` is missing: this says nothing '
                 'about other people.')
    elif people < FEW_PEOPLE:
        text += f' There are only {people} people, so the interval is rough.'
    return text


def card(name: str, base: str, rows: Sequence[Row], examples: Sequence[Example],
         counts: Mapping[str, int], people: int, folds: int, by_person: bool) -> str:
    """Return the model card."""
    kinds = 'people' if by_person else 'dialogues or recordings'
    emotions = ', '.join(f'{emotion} {count}' for emotion, count in counts.items() if count)
    return '\n'.join([
        f'# {name}', '',
        f'`{base}`, fine-tuned on {len(examples)} recordings of {people} {kinds}: {emotions}.', '',
        f'**{verdict(base, rows, people, by_person)}**', '',
        f'{folds}-fold cross-validation: each model is scored on the {kinds} that it did not '
        'learn from. The bundle itself learnt from all. In %, with the 95 % interval of a '
        f'bootstrap over the {kinds}; temperatures are fitted on the same answers.', '',
        f'| given | examples | accuracy, {base} | accuracy, fine-tuned | weighted F1, {base} | '
        'weighted F1, fine-tuned | gain |', '|---|---|---|---|---|---|---|', *map(_line, rows), '',
        'The encoders are those of the bundle before; only the fusion has learnt. Emotions that '
        'were not recorded are recognised less well than before.', ''])


def _line(row: Row) -> str:
    figures = [f'{100 * value:.1f}' for pair in zip(row.before, row.after) for value in pair]
    gain = f'{100 * row.gain.value:+.1f} [{100 * row.gain.low:+.1f}, {100 * row.gain.high:+.1f}]'
    return f'| {row.subset} | {row.count} | {" | ".join(figures)} | {gain} |'
