"""Cards, tiles and tables of the pages of a replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Cell = str  # markup


def card(title: str, body: str, caption: str = '') -> str:
    """Return a card; `body` is markup."""
    words = f'<p class="caption">{escape(caption)}</p>' if caption else ''
    return (f'<div class="card"><div class="head"><h3>{escape(title)}</h3></div>'
            f'<div class="body">{body}{words}</div></div>')


def grid(*cards: str) -> str:
    """Return cards beside each other where the page is wide enough."""
    return f'<div class="grid">{"".join(cards)}</div>'


def tiles(items: Iterable[tuple[str, str, str, str]]) -> str:
    """Return the figures that one looks for first: name, value, unit and what is beneath."""
    return '<dl class="tiles card">' + ''.join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(unit)}</small></dd>'
        f'<p>{escape(beneath) or "&nbsp;"}</p></div>'
        for name, value, unit, beneath in items) + '</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], words: int = 1) -> str:
    """
    Return a table.

    :param rows: cells of markup.
    :param words: columns of words; the others are numbers.
    """
    def kind(column: int) -> str:
        return ' class="num"' if column >= words else ''

    top = ''.join(f'<th{kind(i)}>{escape(name)}</th>' for i, name in enumerate(head))
    body = ''.join('<tr>' + ''.join(f'<td{kind(i)}>{cell}</td>' for i, cell in enumerate(row))
                   + '</tr>' for row in rows)
    return (f'<div class="scroll"><table class="plain"><thead><tr>{top}</tr></thead>'
            f'<tbody>{body}</tbody></table></div>')


def told(title: str, sentences: Sequence[str], most: int = 12) -> str:
    """Return what a person should know; nothing if there is nothing."""
    if not sentences:
        return ''
    items = ''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences[:most])
    more = f'<li>{len(sentences) - most} more: summary.json</li>' * (len(sentences) > most)
    return f'<div class="told" role="note"><b>{escape(title)}</b><ul>{items}{more}</ul></div>'


def percent(value: float | None) -> str:
    """Return a share as percent without the sign."""
    return '–' if value is None else f'{100 * value:.1f}'


def millis(value: float | None) -> str:
    """Return seconds as milliseconds."""
    return '–' if value is None else f'{1000 * value:.0f} ms'
