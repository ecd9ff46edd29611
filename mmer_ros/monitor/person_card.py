# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A person as a card with bars, or as one line where room is short."""

from __future__ import annotations

import math

from mmer_ros.colours import COLOURS
from mmer_ros.monitor.state import Latest, plain, Row
from mmer_ros.types import EMOTIONS
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

STYLES = COLOURS  # rich takes the nearest one where a terminal has few
CARD_LINES = len(EMOTIONS) + 5  # also 3 lines of facts, 2 of the border
OLD_S = 10.0
NAME_WIDTH = max(map(len, EMOTIONS))
LEVELS = '▁▂▃▄▅▆▇█', '.:-=+*#@'
UNKNOWN = 'unknown'


def card(who: str, latest: Latest, now: float, width: int, ascii_only: bool = False) -> Panel:
    """
    Return a card of CARD_LINES lines.

    A final estimate has solid bars, a partial one hatched bars; words state it as well.

    :param width: of the card with its border, columns.
    """
    row = latest.row
    solid, hatched = '#=' if ascii_only else '█▒'
    body = [_bar(row['label'], name, probability, width - 4, solid if row['final'] else hatched)
            for name, probability in row['probabilities'].items()]
    facts = (f'valence {row["valence"]:+.2f}, arousal {row["arousal"]:+.2f}{_chosen(row)}',
             ' '.join(f'{name} {weight:.2f}' for name, weight in row['modality_weights'].items()),
             _words(row))
    body += map(Text, facts)
    old = now - latest.at > OLD_S
    return Panel(
        Text('\n', no_wrap=True, overflow='ellipsis').join(body),
        title=f'[default]{escape((who or UNKNOWN)[:16])}: [bold]{_verdict(latest)}[/][/]',
        title_align='left', subtitle=f'[default]{_kind(latest, now)}[/]', subtitle_align='left',
        width=width, height=CARD_LINES, style='dim' if old else '',
        border_style=STYLES.get(row['label'], ''))


def line(who: str, latest: Latest, now: float, ascii_only: bool = False) -> Text:
    """Return the same in one line: the bars are single characters, in the order of EMOTIONS."""
    row, levels = latest.row, LEVELS[ascii_only]
    bars = ' '.join(f'{name[:2]}{levels[min(7, int(8 * _clipped(probability)))]}'
                    for name, probability in row['probabilities'].items())
    kind = 'FINAL' if row['final'] else 'pause' if row.get('provisional') else 'partial'
    verdict = f'{plain(row["label"])} {100 * row["confidence"]:.0f} %'
    status = f'{verdict:13} {kind:7} {span(now - latest.at):>6} ago'
    text = Text(no_wrap=True, overflow='ellipsis')
    text.append('# ' if ascii_only else '■ ', STYLES.get(row['label'], ''))
    return text.append(f'{(who or UNKNOWN)[:12]:12} {status}  {bars}{_doubt(row)}')


def _bar(label: str, name: str, probability: float, width: int, character: str) -> Text:
    room = max(width - NAME_WIDTH - 8, 1)
    bar = (character * round(_clipped(probability) * room)).ljust(room)
    mark, style = ('>', f'bold {STYLES[name]}') if name == label else (' ', STYLES[name])
    text = Text(f'{mark}{name:{NAME_WIDTH}} ', style='bold' if mark == '>' else '')
    return text.append(bar, style).append(f' {100 * probability:3.0f} %')


def _clipped(probability: float) -> float:
    return min(max(probability, 0.0), 1.0) if math.isfinite(probability) else 0.0


def _chosen(row: Row) -> str:
    by = plain(row.get('speaker_by', ''))
    return f', by {by} {row.get("speaker_margin", 0.0):.2f}' if by else ''


def _words(row: Row) -> str:
    if row['transcript']:
        return f'words: {plain(row["transcript"])}'
    return 'words: used, not published' if 'text' in row['modalities'] else 'words: none'


def _verdict(latest: Latest) -> str:
    row = latest.row
    return f'{plain(row["label"])} {100 * row["confidence"]:.0f} %{_doubt(row)}'


def _doubt(row: Row) -> str:
    if not row['trained']:
        return ' UNTRAINED'
    return '' if row['calibrated'] else ' uncalibrated'


def _kind(latest: Latest, now: float) -> str:
    row = latest.row
    kind = ('FINAL' if row['final'] else 'provisional, pause' if row.get('provisional')
            else 'partial, speaking')
    revised = f', revision {row["revision"]}' if row['revision'] else ''
    return f'{kind}{revised}, {span(now - latest.at)} ago'


def span(seconds: float) -> str:
    """Return a length of time in a suitable unit: `4.0 s`, `3 min`."""
    if seconds < 10:
        return f'{max(seconds, 0):.1f} s'
    return f'{seconds:.0f} s' if seconds < 120 else f'{seconds / 60:.0f} min'
