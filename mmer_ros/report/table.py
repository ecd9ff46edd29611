# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A table, before it is HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from mmer_ros.evaluation.metrics import Interval
from mmer_ros.report.formats import interval, NONE, percent, points


@dataclass(frozen=True)
class Cell:
    """
    What stands in one place.

    :param small: beneath it, e.g. an interval.
    :param theirs: whether the figure is of others, e.g. of the paper.
    """

    text: str
    small: str = ''
    theirs: bool = False

    def __str__(self) -> str:
        """Return it on one line, for Markdown."""
        return f'{self.text} {self.small}'.strip()

    def __html__(self) -> str:
        """Return it for a page."""
        small = self.small.replace(', ', ',\xa0').replace('± ', '±\xa0')
        return Markup('{}<small>{}</small>' if small else '{}').format(self.text, small)


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """
    Rows of cells under named columns: `Table(('emotion', 'F1'), [row('joy', '63.0')])`.

    :param words: columns from the left that hold words; the others hold numbers.
    :param groups: names over the columns with the number of columns that they span; none, or all.
    :param heavy: rows that sum up, shown in bold.
    :param key: short name.
    """

    columns: Sequence[str]
    rows: Sequence[Row]
    words: int = 1
    groups: Sequence[tuple[str, int]] = ()
    heavy: frozenset[int] = frozenset()
    key: str = ''
    title: str = ''
    caption: str = ''

    def to_markdown(self) -> str:
        """Return the table alone; groups are written before the names of their columns."""
        groups = [name for name, width in self.groups or (('', len(self.columns)),)
                  for _ in range(width)]
        names = [f'{group} {column}'.strip()
                 for group, column in zip(groups, self.columns, strict=True)]
        lines = [names, ['---'] * self.words + ['---:'] * (len(names) - self.words)]
        lines += [[f'**{cell}**' if number in self.heavy and cell.text != NONE else str(cell)
                   for cell in cells] for number, cells in enumerate(self.rows)]
        return ''.join('| ' + ' | '.join(map(_escaped, line)) + ' |\n' for line in lines)

    def to_section(self) -> str:
        """Return a section of a Markdown document: title, caption and table."""
        return f'## {_escaped(self.title)}\n\n{self.caption}\n\n{self.to_markdown()}'


def row(*cells: Cell | str) -> Row:
    """Return a row of cells or of what stands in them."""
    return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)


def blank(count: int) -> Row:
    """Return cells that hold nothing."""
    return (Cell(NONE),) * count


def in_percent(figure: Interval, *, signed: bool = False) -> Cell:
    """Return a share in percent, or a difference in points, with its interval beneath."""
    return Cell((points if signed else percent)(figure.value),
                interval(figure.low, figure.high, signed=signed))


def sections(tables: Sequence[Table]) -> str:
    """Return the tables as Markdown, one after the other."""
    return '\n'.join(table.to_section() for table in tables)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, within a cell."""
    for sign in '\\|<`':
        text = text.replace(sign, '\\' + sign)
    return ' '.join(text.split())
