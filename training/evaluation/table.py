"""A table before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from training.evaluation.results import Figure

NONE = '–'


@dataclass(frozen=True)
class Cell:
    """
    What stands in one place.

    :param text: the figure.
    :param small: beneath it: spread and interval, or the paper's figure.
    :param paper: the figure is the paper's, not ours.
    """

    text: str
    small: str = ''
    paper: bool = False

    def __str__(self) -> str:
        """Return it on one line, for Markdown."""
        return f'{self.text} {self.small}'.strip()


@dataclass(frozen=True)
class Table:
    """
    Rows of cells under named columns.

    :param key: short name, the anchor on the page.
    :param caption: what the figures are; one or two sentences.
    :param groups: names over the columns with the number of columns that they span; none, or all.
    :param rows: first cell names the row.
    :param heavy: rows that sum up, shown in bold.
    :param words: columns from the left that hold names, not figures.
    """

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    heavy: frozenset[int] = frozenset()
    words: int = 1

    def to_markdown(self) -> str:
        """Return a section with the table; groups are written before the columns' names."""
        names = [f'{group} {column}'.strip()
                 for group, column in zip(self._group_of_columns(), self.columns, strict=True)]
        lines = [names, ['---'] * self.words + ['---:'] * (len(names) - self.words)]
        lines += [[f'**{cell}**' if number in self.heavy and cell.text != NONE else str(cell)
                   for cell in row] for number, row in enumerate(self.rows)]
        body = '\n'.join('| ' + ' | '.join(map(_escaped, line)) + ' |' for line in lines)
        return f'## {_escaped(self.title)}\n\n{self.caption}\n\n{body}\n'

    def _group_of_columns(self) -> list[str]:
        spans = self.groups or (('', len(self.columns)),)
        return [name for name, span in spans for _ in range(span)]


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, within a cell."""
    for sign in '\\|<`':
        text = text.replace(sign, '\\' + sign)
    return ' '.join(text.split())


def percent(value: float) -> str:
    """Return a fraction in percent with one place."""
    return f'{100 * value:.1f}'


def of_figure(figure: Figure, *, spread: bool = True) -> Cell:
    """Return percent, with the deviation of the seeds and the interval beneath."""
    small = []
    if figure.deviation is not None:
        small.append(f'± {percent(figure.deviation)}')
    if spread and figure.low is not None and figure.high is not None:
        small.append(f'[{percent(figure.low)}, {percent(figure.high)}]')
    return Cell(percent(figure.mean), ' '.join(small))


def of_paper(value: float | None) -> Cell:
    """Return a figure of the paper, which is in percent already."""
    return Cell(NONE if value is None else f'{value:.1f}', paper=True)


def row(name: str, cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Return a row with its name."""
    return (Cell(name), *cells)


def blank(count: int) -> list[Cell]:
    """Return cells that hold nothing."""
    return [Cell(NONE)] * count


def sections(tables: Sequence[Table]) -> str:
    """Return the tables as Markdown, one after the other."""
    return '\n'.join(table.to_markdown() for table in tables)
