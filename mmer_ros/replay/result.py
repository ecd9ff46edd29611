# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The result of a replay, and the files that hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.labels import Label
from mmer_ros.evaluation.utterances import (
    evaluate,
    Evaluation,
    spread,
    summarize,
    utterances,
)
from mmer_ros.replay.outputs import ESTIMATES, MATCHES, RUN, SUMMARY, TRACKS, write_json
from mmer_ros.types import EMOTIONS, InvalidInput

GOOD, NOTHING, BAD, PARTLY = range(4)  # exit codes


@dataclass
class ReplayResult:
    """
    The answers for one recording.

    :param summary: content of summary.json; the same on every machine and in every run.
    :param estimates: Estimate.to_dict() with `published` (capture time at which it could be
        published) and `latency` (that less the stamp of the evidence), as they came.
    :param tracks: times of the inputs, faces and words.
    :param run: speed and latency of computing, which differ from run to run.
    :param evaluation: None without labels.
    :param folder: of the files; None if none were written.
    :param error: why nothing could be done; then everything else is empty.
    """

    bag: str
    summary: dict[str, Any] = field(default_factory=dict)
    estimates: list[dict[str, Any]] = field(default_factory=list)
    tracks: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    folder: Path | None = None
    error: str = ''

    @property
    def exit_code(self) -> int:
        """0 good, 1 nothing estimated, 2 nothing could be done, 3 something was left out."""
        if self.error:
            return BAD
        if not self.estimates:
            return NOTHING
        return PARTLY if self.summary['faults'] else GOOD

    def with_estimates(self, rows: list[dict[str, Any]]) -> ReplayResult:
        """
        Return the result with other estimates of the same recording, and their figures.

        :param rows: as `estimates`, e.g. of the live node.
        """
        evaluation = None
        if self.evaluation is not None:
            evaluation = evaluate(self.evaluation.labels, rows, self.evaluation.outside)
        return replace(self, summary=self.summary | summary_of(rows, evaluation), estimates=rows,
                       evaluation=evaluation)

    def save(self) -> None:
        """Write the files that are not written row by row."""
        if self.folder is None:
            return
        write_json(self.folder / TRACKS, self.tracks)
        if self.evaluation is not None:
            write_json(self.folder / MATCHES, self.evaluation.to_dict())
        self.save_run()
        write_json(self.folder / SUMMARY, self.summary)  # the last: the others are complete

    def save_run(self) -> None:
        """Write run.json, again if more became known."""
        assert self.folder is not None
        write_json(self.folder / RUN, self.run)

    @classmethod
    def load(cls, path: str | Path) -> ReplayResult:
        """
        Read the files of a replay.

        :raises InvalidInput: if they are not there or not of this form.
        """
        folder = Path(path)
        try:
            summary, tracks = _json(folder / SUMMARY), _json(folder / TRACKS)
            tracks['levels'], summary['availability_over_time']  # old results lack them
            lines = (folder / ESTIMATES).read_text(encoding='utf-8').splitlines()
            rows = [json.loads(line) for line in lines]
            evaluation = None
            if (folder / MATCHES).exists():
                matches = _json(folder / MATCHES)
                labels = [_label(row) for row in matches['labels']]
                evaluation = evaluate(labels, rows, matches['labels_outside'])
            return cls(summary['bag'], summary, rows, tracks, _json(folder / RUN),
                       evaluation, folder)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f'{folder}: no results of mmer replay ({error!r}); run it again '
                               'with this --output') from error


def summary_of(rows: Sequence[Mapping[str, Any]], evaluation: Evaluation | None
               ) -> dict[str, Any]:
    """Return the part of a summary that depends on the estimates."""
    _, answers = utterances(rows)
    finals = [row for row in rows if row['final']]
    return {
        'estimates': len(finals), 'partial_estimates': len(rows) - len(finals),
        'utterances': len(answers), 'revised': sum(row['revision'] > 0 for row in answers),
        'emotions': dict(Counter(row['label'] for row in answers)),
        'modalities': dict(Counter('+'.join(row['modalities']) for row in answers)),
        'latency_s': spread([row['latency'] for row in finals]),
        'evaluation': summarize([evaluation]) if evaluation else None}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding='utf-8'))


def _label(row: Mapping[str, Any]) -> Label:
    emotion = EMOTIONS.index(row['emotion']) if row['emotion'] else None
    return Label(row['start'], row['end'], emotion, row['speaker'], row['text'])


def exit_code(results: Sequence[ReplayResult]) -> int:
    """Return the exit code for several recordings."""
    codes = {result.exit_code for result in results}
    if codes == {BAD}:
        return BAD
    if not any(result.estimates for result in results):
        return NOTHING
    return PARTLY if codes & {BAD, PARTLY} else GOOD
