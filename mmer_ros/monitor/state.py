# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The state of a running graph: the latest estimate of each person, health, and the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmer_ros.types import name_of

Row = Mapping[str, Any]  # an estimate as types.Estimate.to_dict names it, and its latency

LEVELS = ('OK', 'WARN', 'ERROR', 'STALE')  # by diagnostic_msgs/DiagnosticStatus.level
STALE = LEVELS.index('STALE')
MAX_PEOPLE = 16
FORGET_S = 300.0  # people who have not spoken for this long are hidden
SILENT_S = 3.0  # health comes once a second


@dataclass(frozen=True)
class Latest:
    """
    The latest estimate of one person.

    :param at: when it arrived, seconds of any clock that only goes forward.
    """

    row: Row
    at: float


@dataclass(frozen=True)
class Health:
    """
    One status of /diagnostics.

    :param level: index into LEVELS.
    :param values: (key, value) pairs in the order of the publisher.
    :param at: when it arrived, as in Latest.
    """

    name: str
    level: int
    message: str
    values: tuple[tuple[str, str], ...]
    at: float

    def level_at(self, now: float) -> int:
        """Return the level; a status that stopped coming is stale."""
        return STALE if now - self.at > SILENT_S else min(self.level, STALE)


@dataclass(frozen=True)
class Graph:
    """
    The visible part of the ROS graph.

    :param lifecycle: state of the emotion node; None without such a node, '' if it has not
        answered.
    :param publishers: nodes that publish estimates.
    :param foreign_types: types other than EmotionEstimate that are published on the topic.
    :param others: number of nodes beside the monitor.
    :param settings: (name, value) of the settings that decide which nodes are visible.
    """

    lifecycle: str | None = None
    publishers: tuple[str, ...] = ()
    foreign_types: tuple[str, ...] = ()
    others: int = 0
    settings: tuple[tuple[str, str], ...] = ()


HALVES = ('segmenter', 'estimator')  # together they do the work of the emotion node


@dataclass
class MonitorState:
    """
    The content of the view.

    :param topic: full name of the topic of the estimates.
    :param node: full name of the emotion node.
    :param show_all: also the health of other nodes.
    """

    topic: str
    node: str
    show_all: bool = False
    graph: Graph = field(default_factory=Graph)
    estimates: int = 0
    _people: dict[str, Latest] = field(default_factory=dict)
    _health: dict[str, Health] = field(default_factory=dict)

    def add_estimate(self, row: Row, now: float) -> None:
        """Add an estimate; a partial one does not replace the final one of its utterance."""
        who = person_of(row)
        last = self._people.get(who)
        late = (last is not None and not row['final'] and last.row['final']
                and last.row['utterance_id'] == row['utterance_id'])
        self.estimates += 1
        if not late:
            self._people[who] = Latest(row, now)
        self._people = dict(self.people(now)[:MAX_PEOPLE])

    def add_health(self, health: Health) -> None:
        """Add a status; it replaces the one of the same name."""
        self._health[health.name] = health

    def people(self, now: float) -> list[tuple[str, Latest]]:
        """Return (person, latest estimate) of recent speakers, the last one first."""
        return sorted(((who, latest) for who, latest in self._people.items()
                       if now - latest.at <= FORGET_S), key=lambda item: -item[1].at)

    def health(self, now: float) -> list[Health]:
        """Return the statuses to show: the worst first, else as they came."""
        rank = (3, 1, 0, 2)  # of OK, WARN, ERROR, STALE
        shown = [h for h in self._health.values() if self.show_all or self._is_ours(h)]
        return sorted(shown, key=lambda h: rank[h.level_at(now)])

    def hidden_health(self) -> int:
        """Return the number of statuses of other nodes, which are hidden."""
        return 0 if self.show_all else sum(not self._is_ours(h) for h in self._health.values())

    def _is_ours(self, health: Health) -> bool:
        name = health.name.strip('/')
        return name.startswith((self.node.strip('/'), self.node.rsplit('/', 1)[1], 'mmer')) or (
            name.split(':')[0].rsplit('/', 1)[-1] in HALVES)


def person_of(row: Row) -> str:
    """Return who spoke; '' if unknown."""
    return plain(name_of(row['person_id'], row['voice_id'], row['face_id']))


def plain(text: str) -> str:
    """Return text from outside as one line that cannot steer the terminal."""
    return ''.join(c if c.isprintable() else '?' for c in ' '.join(text.split()))
