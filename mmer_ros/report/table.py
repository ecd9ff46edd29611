"""A table, before it is HTML or Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.report.formats import interval, NONE, percent, points
from mmer_ros.report.page import Block, Content


@dataclass(frozen=True)
class Cell:
    """
    What stands in one place.

    :param text: the figure, words, or a block.
    :param small: beneath it, e.g. an interval.
    :param kind: class of the cell on a page, e.g. `theirs`.
    """

    text: Content
    small: str = ''
    kind: str = ''

    def __str__(self) -> str:
        """Return it on one line, for Markdown."""
        return f'{self.text} {self.small}'.strip()


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Table(Block):
    """
    Rows of cells under named columns: `Table(('emotion', 'F1'), [row('joy', '63.0')])`.

    :param words: columns from the left that hold words, which the others' numbers do not.
    :param align: instead of `words`: a letter for each column, `w` words or `n` numbers.
    :param groups: names over the columns with the number of columns that they span; none, or all.
    :param heavy: rows that sum up, shown in bold.
    :param key: short name, its anchor on the page.
    :param anchors: of the rows.
    :param marked: rows to which a reader can narrow the table down; None: there is no search.
    :param mark: what that choice is called.
    """

    template: ClassVar[str] = 'table'

    columns: Sequence[str]
    rows: Sequence[Row]
    words: int = 1
    align: str = ''
    groups: Sequence[tuple[str, int]] = ()
    heavy: frozenset[int] = frozenset()
    key: str = ''
    title: str = ''
    caption: str = ''
    anchors: Sequence[str] = ()
    marked: frozenset[int] | None = None
    mark: str = ''

    @cached_property
    def kinds(self) -> list[str]:
        """The class of each column on a page."""
        letters = self.align or 'w' * self.words + 'n' * (len(self.columns) - self.words)
        starts = {place for place, _, _ in self.spans}
        return [('num' if letter == 'n' else '') + (' group' if place in starts - {0} else '')
                for place, letter in enumerate(letters)]

    @property
    def spans(self) -> Iterator[tuple[int, str, int]]:
        """First column, name and width of each group."""
        place = 0
        for name, width in self.groups:
            yield place, name, width
            place += width

    def repeats(self, number: int) -> bool:
        """Return whether a row has the name of the one before, which is shown once."""
        return self.words > 1 and number > 0 and (
            self.rows[number][0].text == self.rows[number - 1][0].text)

    def to_markdown(self) -> str:
        """Return the table alone; groups are written before the names of their columns."""
        groups = [name for _, name, width in self.spans for _ in range(width)] or (
            [''] * len(self.columns))
        names = [f'{group} {column}'.strip()
                 for group, column in zip(groups, self.columns, strict=True)]
        lines = [names, ['---'] * self.words + ['---:'] * (len(names) - self.words)]
        lines += [[f'**{cell}**' if number in self.heavy and cell.text != NONE else str(cell)
                   for cell in cells] for number, cells in enumerate(self.rows)]
        return ''.join('| ' + ' | '.join(map(_escaped, line)) + ' |\n' for line in lines)

    def to_section(self) -> str:
        """Return a section of a Markdown document: title, caption and table."""
        return f'## {_escaped(self.title)}\n\n{self.caption}\n\n{self.to_markdown()}'


def row(*cells: Cell | Content) -> Row:
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
