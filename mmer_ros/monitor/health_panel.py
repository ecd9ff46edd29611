# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The statuses of /diagnostics, whatever their keys and values."""

from __future__ import annotations

from itertools import islice

from mmer_ros.monitor.person_card import span
from mmer_ros.monitor.state import Health, LEVELS, plain, SILENT_S
from rich.panel import Panel
from rich.text import Text

STYLES = ('bold green', 'bold yellow', 'bold white on red', 'bold magenta')  # as LEVELS
OK = LEVELS.index('OK')
PAIR_WIDTH = 38
# What an operator needs first; other keys follow in the order of the publisher.
FIRST = ('state', 'rate', 'hz', 'silent', 'drop', 'gap', 'skew', 'latency', 'bundle', 'cpu',
         'memory')


def panel(statuses: list[Health], hidden: int, now: float, width: int,
          height: int | None = None) -> Panel:
    """
    Return the statuses in the given order; where room is short, values are left out.

    :param hidden: number of statuses of other nodes that are left out.
    :param height: lines with the border at most; None: as many as it takes.
    """
    room = None if height is None else max(height - 2, 1)
    for enough in (OK, OK + 1, len(LEVELS)):  # from this level on all values are shown
        lines = [text for status in statuses for text in (
            _table(status, now, width - 4) if status.level_at(now) >= enough
            else [_line(status, now)])]
        if room is None or len(lines) <= room:
            break
    if room is not None and len(lines) > room:
        lines[room - 1:] = [Text(f'and {len(lines) - room + 1} more; enlarge the window')]
    if not statuses:
        lines = [Text('nothing has come on /diagnostics from the emotion node')]
    others = f', {hidden} of other nodes hidden (--all)' if hidden else ''
    return Panel(Text('\n', no_wrap=True, overflow='ellipsis').join(lines), width=width,
                 title=f'health{others}', title_align='left', border_style=_worst(statuses, now))


def _worst(statuses: list[Health], now: float) -> str:
    return STYLES[statuses[0].level_at(now)].split(' on ')[0] if statuses else 'dim'


def _table(status: Health, now: float, width: int) -> list[Text]:
    """Return a line of verdict, then the values in as many columns as there is room for."""
    pairs = iter(_pairs(status))
    columns = max(1, width // PAIR_WIDTH)
    rows = [_head(status, now)]
    while row := list(islice(pairs, columns)):
        rows.append(Text('').join(_pair(key, value, width // columns) for key, value in row))
    return rows


def _line(status: Health, now: float) -> Text:
    """Return the verdict and, in the same line, as many values as there is room for."""
    values = ', '.join(f'{key} {value}' for key, value in _pairs(status))
    return _head(status, now).append(f'; {values}' if values else '', style='dim')


def _head(status: Health, now: float) -> Text:
    level = status.level_at(now)
    head = Text().append(f'{LEVELS[level]:5}', style=STYLES[level])
    head.append(f' {plain(status.name)}: {plain(status.message)}')
    if now - status.at > SILENT_S:
        head.append(f' (last seen {span(now - status.at)} ago)')
    return head


def _pairs(status: Health) -> list[tuple[str, str]]:
    """Return what has a value, the most wanted first."""
    given = [(plain(key), plain(value)) for key, value in status.values if value.strip()]
    return sorted(given, key=lambda pair: _order(pair[0]))


def _pair(key: str, value: str, width: int) -> Text:
    text = Text('  ').append(f'{key} ', style='dim').append(value)
    text.truncate(width - 1, overflow='ellipsis')
    text.pad_right(width - text.cell_len)
    return text


def _order(key: str) -> int:
    lowered = key.lower()
    return next((i for i, word in enumerate(FIRST) if word in lowered), len(FIRST))
