# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole screen as a rich renderable, fitted to whatever size the terminal has."""

from __future__ import annotations

from collections.abc import Iterator

from mmer_ros.monitor import health_panel
from mmer_ros.monitor.advice import advice
from mmer_ros.monitor.person_card import card, CARD_LINES, line
from mmer_ros.monitor.state import Latest, MonitorState
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

CARD_WIDTH = 38  # at least
HEALTH_LINES = 7  # at least, if health fills them
UNTRAINED = 'UNTRAINED: the estimates of bundle {name} are noise and mean nothing'
People = list[tuple[str, Latest]]


class MonitorView:
    """
    A renderable of the state at one moment.

    It fits the width and height of the terminal; without a height (in a pipe) it shows
    everything.

    :param now: the present, on the clock of the arrivals in the state.
    """

    def __init__(self, state: MonitorState, now: float) -> None:
        self._state = state
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions
                         ) -> Iterator[RenderableType]:
        """Yield the parts from top to bottom; no more lines than there is room for."""
        width, height = options.max_width, options.height
        flowing = options.update(height=None)
        top = [_header(self._state, self._now),
               *(Text(sentence, style='yellow') for sentence in advice(self._state)),
               *_warning(self._people())]
        yield from top
        used = sum(len(console.render_lines(part, flowing, pad=False)) for part in top)
        room = None if height is None else max(height - used, 0)
        cards = self._cards(width, room, options.ascii_only)
        for part, lines in cards:
            yield part
            room = None if room is None else room - lines
        if room is None or room >= 3:
            yield health_panel.panel(self._state.health(self._now), self._state.hidden_health(),
                                     self._now, width, room)

    def _people(self) -> People:
        return self._state.people(self._now)

    def _cards(self, width: int, room: int | None, ascii_only: bool
               ) -> list[tuple[RenderableType, int]]:
        """Return (part, its lines): as many cards as fit, the others as a line each."""
        people = self._people()
        columns = max(1, min(len(people), width // CARD_WIDTH))
        rows = -(-len(people) // columns)
        if room is not None:
            rows = min(rows, max(room - HEALTH_LINES, 0) // CARD_LINES)
        parts: list[tuple[RenderableType, int]] = [
            (_row(people[i * columns:(i + 1) * columns], self._now, width // columns, ascii_only),
             CARD_LINES) for i in range(rows)]
        rest = people[rows * columns:]
        lines = [line(who, latest, self._now, ascii_only) for who, latest in rest]
        if room is not None:
            spare = max(room - rows * CARD_LINES - HEALTH_LINES, 1)
            if len(lines) > spare:
                lines[spare - 1:] = [Text(f'and {len(lines) - spare + 1} more people')]
        return [*parts, *((text, 1) for text in lines)]


def _row(people: People, now: float, width: int, ascii_only: bool) -> Table:
    grid = Table.grid()
    grid.add_row(*(card(who, latest, now, width, ascii_only) for who, latest in people))
    return grid


def _header(state: MonitorState, now: float) -> Text:
    node = {None: 'not seen', '': 'no answer'}.get(state.graph.lifecycle, state.graph.lifecycle)
    people = state.people(now)
    text = Text(no_wrap=True, overflow='ellipsis').append('mmer monitor', 'bold')
    text.append(f'  {state.topic}: {state.estimates} estimates  node {state.node}: {node}')
    if people:
        row = people[0][1].row
        text.append(f'  bundle {row["bundle_name"]} {row["bundle_hash"][:8]}')
    return text


def _warning(people: People) -> list[Text]:
    rows = [latest.row for _, latest in people]
    names = sorted({row['bundle_name'] for row in rows if not row['trained']})
    return [Text(UNTRAINED.format(name=', '.join(names)), style='bold red')] if names else []
