"""The loss as tables and files."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.evaluation.metrics import Difference, Interval
from mmer_ros.recordings.meld.settings import BagSettings
from training.engine.files import write_file
from training.evaluation.live.loss import LiveLoss, StepScore
from training.evaluation.live.steps import CUTS, LIVE, OFFLINE
from training.evaluation.table import blank, Cell, percent, row, sections, Table

FIGURES = ('accuracy', 'weighted_f1')


def loss_tables(loss: LiveLoss, data: str) -> list[Table]:
    """
    Return the tables.

    :param data: what the clips are, e.g. `MELD dev`.
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
    offline, live = steps[OFFLINE], steps[LIVE]
    assert live.totals is not None
    several = len(loss.utterances)
    rows = [
        row('offline', [Cell(str(len(loss.answered))), *map(_of, _figures(offline))]),
        row('live', [Cell(str(len(loss.answered))), *map(_of, _figures(live))]),
        row('live less offline', [*blank(1), *(_signed(live.totals[name]) for name in FIGURES)]),
        *(row(f'{title}, all clips', [Cell(str(several)), *(
            Cell(percent(loss.everything(name)[figure])) for figure in FIGURES)])
          for title, name in (('offline', OFFLINE), ('live', LIVE)))]
    return Table(
        'summary', f'Offline and live: {data}', 'In %, with 95 % bootstrap intervals. The first '
        'rows are of the clips that have an estimate, paired; over all clips, one without '
        'an estimate counts as wrong.', ('', 'clips', 'accuracy', 'weighted F1'), tuple(rows),
        heavy=frozenset({2}))


def _steps(loss: LiveLoss) -> Table:
    rows = []
    for step in loss.steps():
        changes = ([_signed(step.changes[name]) for name in FIGURES] if step.changes
                   else blank(2))
        rows.append((Cell(step.name), Cell(step.what), *(
            Cell(percent(figure.value)) for figure in _figures(step)), *changes))
    for step in loss.alone():
        assert step.totals is not None
        rows.append((Cell(step.name), Cell(step.what), *(
            Cell(percent(figure.value)) for figure in _figures(step)),
            *(_signed(step.totals[name]) for name in FIGURES)))
    return Table(
        'steps', 'From offline to live, one change at a time', 'Clips that have an estimate. Each '
        'step keeps the changes before it and is compared with the step before; the last three '
        'stand alone and are compared with offline.',
        ('step', 'what is live', 'accuracy', 'weighted F1', 'change of accuracy',
         'change of weighted F1'), tuple(rows), words=2)


def _cuts(loss: LiveLoss) -> Table:
    rows = [(Cell(score.cut), Cell(CUTS[score.cut]), Cell(str(score.count)),
             Cell(percent(score.offline)),
             *(blank(1) if score.live is None else [Cell(percent(score.live))]))
            for score in loss.cuts()]
    ends = loss.boundaries()
    told = '; '.join(
        f'{name} {1000 * e["mean"]:+.0f} ms on average, {1000 * e["mean_abs"]:.0f} ms in size, '
        f'95 % within {1000 * e["p95_abs"]:.0f} ms' for name, e in ends.items())
    return Table(
        'cuts', 'What the segmentation made of the clips', f'Accuracy in %. Utterance less clip: '
        f'{told}. {loss.spurious} utterances belong to no clip.',
        ('cut', 'meaning', 'clips', 'offline', 'live'), tuple(rows), words=2)


def _causes(loss: LiveLoss) -> Table:
    rows = [row(name, [Cell(str(count))]) for name, count in loss.causes().items()]
    rows.append(row('clips that are not in the recordings', [Cell(str(loss.left_out))]))
    return Table('causes', 'What else differs', f'Of {len(loss.answered)} clips that have an '
                 'estimate.', ('', 'clips'), tuple(rows))


def _figures(step: StepScore) -> list[Interval]:
    return [step.figures[name] for name in FIGURES]


def _of(figure: Interval) -> Cell:
    return Cell(percent(figure.value), f'[{percent(figure.low)}, {percent(figure.high)}]')


def _signed(change: Difference) -> Cell:
    return Cell(f'{100 * change.value:+.1f}',
                f'[{100 * change.low:+.1f}, {100 * change.high:+.1f}]')
