# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Two replays of the same recordings, set side by side in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.matching import match
from mmer_ros.evaluation.metrics import paired_difference
from mmer_ros.evaluation.utterances import STATISTICS, summarize, utterances
from mmer_ros.replay.outputs import SUMMARY
from mmer_ros.replay.result import ReplayResult
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np

SAME_S = 1.0  # recordings that begin and end within this are the same

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PairedUtterance:
    """
    One utterance in both runs; None where a run has none.

    :param truth: its labelled emotion; '' if the runs have different labels, or none.
    """

    first: Row | None
    second: Row | None
    truth: str = ''

    @property
    def start(self) -> float:
        """Capture time of its beginning, seconds."""
        return min(float(row['start']) for row in (self.first, self.second) if row is not None)

    @property
    def words(self) -> str:
        """The transcript, of the first run that has one."""
        return next((str(row['transcript']) for row in (self.first, self.second)
                     if row is not None and row['transcript']), '')

    @property
    def differs(self) -> bool:
        """Whether the answers are not the same."""
        return self.first is None or self.second is None or (
            self.first['label'] != self.second['label'])


@dataclass(frozen=True)
class Comparison:
    """
    Two runs over the same recordings.

    :param names: of the two.
    :param pairs: the results of each recording.
    :param alone: recordings that only one of the runs has.
    """

    names: tuple[str, str]
    pairs: Sequence[tuple[ReplayResult, ReplayResult]]
    alone: Sequence[str] = ()

    def paired(self) -> list[list[PairedUtterance]]:
        """Return the utterances of each recording, by time."""
        return [pair_utterances(one, other) for one, other in self.pairs]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        rows = [row for each in self.paired() for row in each]
        both = [(row.first, row.second, row.truth) for row in rows
                if row.first is not None and row.second is not None]
        judged = [(one['label'] == truth, other['label'] == truth)
                  for one, other, truth in both if truth]
        return {
            'names': list(self.names), 'recordings': len(self.pairs), 'alone': list(self.alone),
            'utterances': {'both': len(both),
                           'only_first': sum(row.second is None for row in rows),
                           'only_second': sum(row.first is None for row in rows)},
            'same_answer': _share([one['label'] == other['label'] for one, other, _ in both]),
            'same_bits': _share([one['probabilities'] == other['probabilities']
                                 for one, other, _ in both]),
            'right': {name: judged.count(value) for name, value in (
                ('both', (True, True)), ('only_first', (True, False)),
                ('only_second', (False, True)), ('none', (False, False)))} if judged else None,
            'evaluations': [self._evaluation(0), self._evaluation(1)],
            'differences': _differences(both)}

    def _evaluation(self, side: int) -> dict[str, Any] | None:
        found = [pair[side].evaluation for pair in self.pairs]
        known = [evaluation for evaluation in found if evaluation is not None]
        return summarize(known) if known else None


def load_comparison(first: Path, second: Path) -> Comparison:
    """
    Read two folders of results, of one recording each or of several.

    :raises InvalidInput: if they are not there, or the recordings have nothing in common.
    """
    ones, others = _results(first), _results(second)
    names = _names(first, second, ones, others)
    if len(ones) == len(others) == 1:
        pairs = [(one, other) for one in ones.values() for other in others.values()]
        alone: list[str] = []
    else:
        pairs = [(ones[name], others[name]) for name in ones if name in others]
        alone = sorted(set(ones) ^ set(others))
    pairs = [pair for pair in pairs if _is_same(*pair)]
    if not pairs:
        raise InvalidInput(
            f'{first} and {second} are not of the same recordings ({", ".join(ones)}; '
            f'{", ".join(others)}); expected two replays of the same ones')
    return Comparison(names, pairs, alone)


def _results(folder: Path) -> dict[str, ReplayResult]:
    """Return the results in a folder by the names of their recordings."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding='utf-8'))
        folders = [folder / bag['folder'] for bag in summary['bags'] if not bag['error']] if (
            'bags' in summary) else [folder]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f'{folder}: no results of mmer replay ({error!r}); expected its '
                           '--output folder') from error
    return {(each.name if len(folders) > 1 else 'recording'): ReplayResult.load(each)
            for each in folders}


def _names(first: Path, second: Path, ones: Mapping[str, ReplayResult],
           others: Mapping[str, ReplayResult]) -> tuple[str, str]:
    """Return different names for the runs: of the bundles, else of the folders."""
    bundles = [' '.join(sorted({r.summary['bundle']['name'] for r in side.values()}))
               for side in (ones, others)]
    folders = [path.resolve().name for path in (first, second)]
    if bundles[0] != bundles[1]:
        return bundles[0], bundles[1]
    if folders[0] == folders[1]:
        folders = [str(first), str(second)]
    return folders[0], folders[1]


def _is_same(one: ReplayResult, other: ReplayResult) -> bool:
    return all(abs(one.summary[name] - other.summary[name]) <= SAME_S for name in ('start', 'end'))


def pair_utterances(one: ReplayResult, other: ReplayResult) -> list[PairedUtterance]:
    """Return the utterances of two replays of a recording, matched by time."""
    (_, first), (_, second) = utterances(one.estimates), utterances(other.estimates)
    truths = _truths(one, first), _truths(other, second)
    matching = match([(r['start'], r['end']) for r in first],
                     [(r['start'], r['end']) for r in second])
    partner = {pair.label: pair.estimate for pair in matching.pairs}
    taken = set(partner.values())
    rows = []
    for index, row in enumerate(first):
        place = partner.get(index)
        known = {truths[0].get(index, ''),
                 truths[1].get(place, '') if place is not None else ''} - {''}
        rows.append(PairedUtterance(row, None if place is None else second[place],
                                    known.pop() if len(known) == 1 else ''))
    rows += [PairedUtterance(None, row, truths[1].get(index, ''))
             for index, row in enumerate(second) if index not in taken]
    return sorted(rows, key=lambda row: row.start)


def _truths(result: ReplayResult, answers: Sequence[Row]) -> dict[int, str]:
    """Return the true emotion by index of the utterance, where it is known."""
    if result.evaluation is None:
        return {}
    labels = result.evaluation.labels
    found = ((pair.estimate, labels[pair.label].emotion)
             for pair in result.evaluation.matching.pairs)
    return {index: EMOTIONS[emotion] for index, emotion in found if emotion is not None}


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _differences(both: Sequence[tuple[Row, Row, str]]) -> dict[str, dict[str, float]] | None:
    """Return second less first, paired over the labelled utterances that both have."""
    known = [(one, other, truth) for one, other, truth in both if truth]
    if not known:
        return None
    labels = np.array([EMOTIONS.index(truth) for _, _, truth in known])
    first, second = (np.array([list(row['probabilities'].values()) for row in rows])
                     for rows in ([one for one, _, _ in known], [two for _, two, _ in known]))
    found = {}
    for name, statistic in STATISTICS.items():
        difference = paired_difference(statistic, labels, second, first)
        found[name] = {'value': difference.value, 'low': difference.low,
                       'high': difference.high, 'p': difference.p}
    return found
