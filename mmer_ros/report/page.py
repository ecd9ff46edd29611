"""
Pages in one file: blocks of content, a template for each, one style and one script for all.

A page is made of blocks, which are data; no other code writes HTML:

    page = Page('Two runs', sections=[Section('scores', 'Scores', [
        Grid(Card('Latency', latency_plot(values), caption='From the last word on.'),
             Card('Classes', Table(('emotion', 'F1'), [row(Chip('joy'), '63.0')])))])])
    path.write_text(str(page), encoding='utf-8')

Whatever text a block holds is escaped, wherever it comes from.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
import hashlib
from typing import ClassVar, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from mmer_ros.colours import COLOURS, ink
from mmer_ros.report import formats
from mmer_ros.report.axis import WIDTHS


class Shown(Protocol):
    """What knows its own markup, as Jinja's autoescape takes it."""

    def __html__(self) -> str: ...


Content = str | Shown


@cache
def environment() -> Environment:
    """Return the environment of all templates: it escapes, and refuses names that are unknown."""
    made = Environment(loader=PackageLoader('mmer_ros.report'), autoescape=True,
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {name: getattr(formats, name) for name in (
        'percent', 'points', 'millis', 'duration', 'counted')}
    made.filters['tint'] = lambda label: f'e-{label if label in COLOURS else "neutral"}'
    made.filters['unbroken'] = lambda text: str(text).replace(', ', ',\xa0').replace('± ', '±\xa0')
    made.globals |= {'COLOURS': COLOURS, 'ink': ink, 'WIDTHS': WIDTHS}
    return made


class Block:
    """A part of a page, shown by `templates/NAME.html`, which finds it under the name `block`."""

    template: ClassVar[str]

    def __html__(self) -> str:
        """Return the markup."""
        return environment().get_template(f'{self.template}.html').render(block=self)


@dataclass(frozen=True)
class Page(Block):
    """
    A whole document.

    :param summary: facts for the line below the title.
    :param head: blocks before the first section.
    :param sections: with a table of contents if there are several.
    """

    template: ClassVar[str] = 'page'

    title: str
    summary: Sequence[str] = ()
    head: Sequence[Content] = ()
    sections: Sequence[Section] = ()
    footer: str = ''

    def __str__(self) -> str:
        """Return the text of the file: style, script and pictures are in it, links are not."""
        return self.__html__()

    @property
    def script(self) -> Markup:
        """The only script that a browser runs on the page."""
        return Markup(_source('page.js'))

    @property
    def script_hash(self) -> str:
        """The digest by which a browser knows it."""
        digest = hashlib.sha256(self.script.encode()).digest()
        return f'sha256-{base64.b64encode(digest).decode()}'


def _source(name: str) -> str:
    loader, made = environment().loader, environment()
    assert loader is not None
    return loader.get_source(made, name)[0]


@dataclass(frozen=True)
class Section:
    """
    A part of the page under a heading; as a card, with a frame around it.

    :param key: its anchor.
    """

    key: str
    title: str
    blocks: Sequence[Content]
    as_card: bool = False


@dataclass(frozen=True)
class Card(Block):
    """
    Content in a frame.

    :param title: '' where a heading above it is enough.
    :param legend: class of the sign and words.
    :param folded: shown when asked for.
    """

    template: ClassVar[str] = 'card'

    title: str
    content: Content
    caption: str = ''
    legend: Sequence[tuple[str, str]] = ()
    folded: bool = False


class Grid(Block):
    """Blocks beside each other, as many as the page has room for."""

    template: ClassVar[str] = 'grid'

    def __init__(self, *blocks: Content, columns: str = 'grid') -> None:
        self.blocks = blocks
        self.columns = columns


@dataclass(frozen=True)
class Figure(Block):
    """A plot with a few words beneath."""

    template: ClassVar[str] = 'figure'

    plot: Content
    title: str = ''
    words: str = ''


@dataclass(frozen=True)
class Tile:
    """A figure that a reader looks for first, and what is beneath it."""

    name: str
    value: str
    unit: str = ''
    beneath: Sequence[str] = ()


@dataclass(frozen=True)
class Tiles(Block):
    """Figures in a row."""

    template: ClassVar[str] = 'tiles'

    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Facts(Block):
    """Names and values."""

    template: ClassVar[str] = 'facts'

    facts: Mapping[str, str]


@dataclass(frozen=True)
class Banner(Block):
    """A loud warning; nothing without a text."""

    template: ClassVar[str] = 'banner'

    text: str


@dataclass(frozen=True)
class Note(Block):
    """
    Sentences that a reader should know; nothing without any.

    :param title: if it is marked as something that went wrong.
    :param most: that are shown; `more` names where the others are.
    """

    template: ClassVar[str] = 'note'

    sentences: Sequence[str]
    title: str = ''
    most: int = 12
    more: str = 'summary.json'


@dataclass(frozen=True)
class Tabs(Block):
    """Blocks in one place, of which one is seen at a time."""

    template: ClassVar[str] = 'tabs'

    tabs: Mapping[str, Content]


# -- within a table -------------------------------------------------------------------------


@dataclass(frozen=True)
class Chip(Block):
    """
    An emotion, with its colour.

    :param small: beneath it.
    :param right: whether it is as labelled; None if that is not known.
    """

    template: ClassVar[str] = 'chip'

    label: str
    small: str = ''
    right: bool | None = None
    verdict: str = ''

    def __str__(self) -> str:
        """Return it in words."""
        return ' '.join(filter(None, (self.label, self.small, self.verdict)))


@dataclass(frozen=True)
class Bars(Block):
    """The seven probabilities, as columns."""

    template: ClassVar[str] = 'bars'

    shares: Mapping[str, float]


@dataclass(frozen=True)
class Weights(Block):
    """The share of each modality in an answer; None where it was missing."""

    template: ClassVar[str] = 'weights'

    weights: Mapping[str, float | None]


@dataclass(frozen=True)
class Strip(Block):
    """How an amount is divided among emotions, with their names where there is room."""

    template: ClassVar[str] = 'strip'

    shares: Mapping[str, float]
    tips: Mapping[str, str]


@dataclass(frozen=True)
class Link(Block):
    """A way to another page, or down this one."""

    template: ClassVar[str] = 'link'

    words: str
    href: str

    def __str__(self) -> str:
        """Return the words."""
        return self.words
