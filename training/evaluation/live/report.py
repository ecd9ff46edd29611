# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The loss as tables and files."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.report.formats import percent
from mmer_ros.report.table import blank, Cell, in_percent, row, sections, Table
from training.engine.files import write_file
from training.evaluation.live.loss import LiveLoss, StepScore
from training.evaluation.live.steps import CUTS, LIVE, OFFLINE

FIGURES = ('accuracy', 'weighted_f1')


def loss_tables(loss: LiveLoss, data: str) -> list[Table]:
    """
    Return the tables.

    :param data: corpus and split of the clips, e.g. `MELD dev`.
    """
    return [_summary(loss, data), _steps(loss), _cuts(loss), _causes(loss)]


def write_loss(loss: LiveLoss, data: str, bundle: str, settings: BagSettings, folder: Path
               ) -> Path:
    """Write live.json and live.md; return the latter."""
    content = {'data': data, 'bundle': bundle, 'recordings': settings.model_dump(),
               **loss.to_dict()}
    write_file(folder / 'live.json', json.dumps(content, indent=1).encode())
    made = ', '.join(f'{name} {value}' for name, value in settings.model_dump().items())
    text = (f'# {data}, offline and live\n\nBundle {bundle}; recordings: {made}.\n\n'
            + sections(loss_tables(loss, data)))
    write_file(folder / 'live.md', text.encode())
    return folder / 'live.md'


def _summary(loss: LiveLoss, data: str) -> Table:
    steps = {step.name: step for step in loss.steps()}
    live = steps[LIVE]
    assert live.totals is not None
    answered, several = str(len(loss.answered)), str(len(loss.utterances))
    rows = [row(title, answered, *map(in_percent, _figures(steps[name])))
            for title, name in (('offline', OFFLINE), ('live', LIVE))]
    rows.append(row('live less offline', *blank(1), *(
        in_percent(live.totals[name], signed=True) for name in FIGURES)))
    rows += [row(f'{title}, all clips', several, *(
        percent(loss.everything(name)[figure]) for figure in FIGURES))
        for title, name in (('offline', OFFLINE), ('live', LIVE))]
    return Table(
        ('', 'clips', 'accuracy', 'weighted F1'), rows, key='summary', heavy=frozenset({2}),
        title=f'Offline and live: {data}', caption='In %, with 95 % bootstrap intervals. The '
        'first rows are of the clips that have an estimate, paired; over all clips, one without '
        'an estimate counts as wrong.')


def _steps(loss: LiveLoss) -> Table:
    steps = [(step, step.changes) for step in loss.steps()]
    steps += [(step, step.totals) for step in loss.alone()]
    return Table(
        ('step', 'live part', 'accuracy', 'weighted F1', 'change of accuracy',
         'change of weighted F1'), [
            row(step.name, step.what, *(percent(figure.value) for figure in _figures(step)), *(
                [in_percent(changes[name], signed=True) for name in FIGURES] if changes
                else blank(2))) for step, changes in steps],
        key='steps', title='From offline to live, one change at a time', words=2,
        caption='Clips that have an estimate. Each step keeps the changes before it and is '
        'compared with the step before; the last three stand alone and are compared with offline.')


def _cuts(loss: LiveLoss) -> Table:
    ends = '; '.join(
        f'{name} {1000 * e["mean"]:+.0f} ms on average, {1000 * e["mean_abs"]:.0f} ms in size, '
        f'95 % within {1000 * e["p95_abs"]:.0f} ms' for name, e in loss.boundaries().items())
    return Table(
        ('cut', 'meaning', 'clips', 'offline', 'live'), [
            row(score.cut, CUTS[score.cut], str(score.count), percent(score.offline),
                Cell(percent(score.live))) for score in loss.cuts()],
        key='cuts', title='How the segmentation cut the clips', words=2,
        caption=f'Accuracy in %. Utterance less clip: {ends}. {loss.spurious} utterances belong '
        'to no clip.')


def _causes(loss: LiveLoss) -> Table:
    causes = {**loss.causes(), 'clips that are not in the recordings': loss.left_out}
    return Table(('', 'clips'), [row(name, str(count)) for name, count in causes.items()],
                 key='causes', title='Other differences',
                 caption=f'Of {len(loss.answered)} clips that have an estimate.')


def _figures(step: StepScore) -> list[Interval]:
    return [step.figures[name] for name in FIGURES]
