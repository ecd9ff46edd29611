"""Pages of blocks: what holds for every page, whatever is on it."""

from __future__ import annotations

import base64
import hashlib
import re

from mmer_ros.colours import COLOURS
from mmer_ros.report.figures import Confusion
from mmer_ros.report.page import (
    Banner,
    Bars,
    Card,
    Chip,
    Facts,
    Figure,
    Grid,
    Link,
    Note,
    Page,
    Section,
    Strip,
    Tabs,
    Tile,
    Tiles,
    Weights,
)
from mmer_ros.report.plot import around, Plot, ticks
from mmer_ros.report.table import Cell, row, Table
import numpy as np
import pytest

from ..fixtures.pages import NASTY, Parsed


def plot(label: str = 'a plot') -> Plot:
    drawn = Plot(400, 200, (0, 1), (0, 1), label)
    drawn.axes([0, 1], [0, 1], label, label)
    drawn.dot((.5, .5), 'right', label)
    drawn.line([(0, 0), (1, 1)], 'mid', label)
    drawn.bar((0, 0), (.1, .1), 'late', label)
    drawn.name_ends({label: ('a', .5)})
    return drawn


def everything(text: str) -> Page:
    """Return a page with a block of each kind, all of them with this text."""
    table = Table((text, text), [row(Cell(text, text), Chip(text, text, False, text))],
                  groups=((text, 2),), title=text, caption=text)
    searched = Table((text,), [row(Link(text, '#x'))], title=text, anchors=['x'],
                     marked=frozenset({0}), mark=text)
    blocks = [
        Tiles([Tile(text, text, text, [text])]), Facts({text: text}),
        Note([text] * 3, text, most=2, more=text),
        Grid(Card(text, plot(text), text, [('mark', text)]),
             Card(text, table, folded=True), Figure(plot(), text, text)),
        Tabs({text: table}), searched, Bars({text: .5}), Weights({text: None, 'b': .5}),
        Strip({text: 1.0}, {text: text}), Confusion(np.eye(7, dtype=np.int64)), text]
    return Page(text, [text], [Banner(text)], [Section('a', text, blocks),
                                               Section('b', text, [], as_card=True)], text)


def test_whatever_a_block_holds_is_escaped() -> None:
    text = str(everything(NASTY))
    parsed = Parsed(text)
    assert 'alert("x")' not in text
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert not [a for _, a in parsed.tags if 'onload' in a or 'evil' in a.get('src', '')]
    assert ''.join(parsed.text).count(NASTY) == ''.join(
        Parsed(str(everything('QQQ'))).text).count('QQQ') > 30


def test_a_page_needs_nothing_else() -> None:
    text = str(everything('words'))
    assert 'http:' not in text and 'https:' not in text
    assert '@import' not in text and 'url(' not in text
    assert not [tag for tag, _ in Parsed(text).tags
                if tag in ('link', 'iframe', 'object', 'video', 'img')]


def test_a_browser_runs_the_script_of_the_page_only() -> None:
    text = str(everything('words'))
    policy = next(a['content'] for _, a in Parsed(text).tags
                  if a.get('http-equiv') == 'Content-Security-Policy')
    script = text.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_a_page_follows_the_scheme_and_the_width_of_the_screen() -> None:
    text = str(Page('a page'))
    assert '(prefers-color-scheme: dark)' in text and 'width=device-width' in text
    for name, colour in COLOURS.items():
        assert f'.e-{name} {{ --c: {colour};' in text


def test_contents_name_the_sections_if_there_are_several() -> None:
    links = [a['href'] for tag, a in Parsed(str(everything('x'))).tags if tag == 'a']
    assert links[:2] == ['#a', '#b']
    assert not [tag for tag, _ in Parsed(str(Page('t', sections=[Section('a', 'A', [])]))).tags
                if tag == 'nav']


def test_empty_blocks_leave_nothing_behind() -> None:
    parsed = Parsed(str(Page('t', head=[Banner(''), Facts({}), Note([])])))
    assert not parsed.of_class('warning') and not parsed.of_class('facts')
    assert not parsed.of_class('note')


def test_markdown_groups_and_bold_rows() -> None:
    table = Table(('', 'n', 'n'), [row('a', '1', Cell('2', '[1.0, 3.0]')), row('b', '–', '3')],
                  groups=(('', 1), ('ours', 1), ('theirs', 1)), heavy=frozenset({1}))
    assert table.to_markdown().splitlines() == [
        '|  | ours n | theirs n |', '| --- | ---: | ---: |', '| a | 1 | 2 [1.0, 3.0] |',
        '| **b** | – | **3** |']


def test_a_name_that_comes_again_is_shown_once() -> None:
    table = Table(('m', 'g', 'n'), [row('a', 'x', '1'), row('a', 'y', '2'), row('b', 'x', '3')],
                  words=2)
    assert [table.repeats(i) for i in range(3)] == [False, True, False]


@pytest.mark.parametrize(('low', 'high', 'expected'), [
    (0, 100, [0, 20, 40, 60, 80, 100]), (0, 1, [0, .2, .4, .6, .8, 1]),
    (56.6, 68.9, [57.5, 60, 62.5, 65, 67.5]), (-3, 3, [-2, 0, 2]),
    (0, .0023, [0, .0005, .001, .0015, .002])])
def test_ticks_are_round_and_within_the_range(low: float, high: float, expected: list[float]
                                              ) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_range_holds_its_values_with_some_air() -> None:
    assert around([]) == (0.0, 1.0)
    assert around([5.0], least=1) == (4, 6) and around([0, 100]) == (-6, 106)


def test_a_plot_maps_values_to_pixels_within_its_margins() -> None:
    drawn = Plot(100, 100, (0, 10), (0, 1), 'a', (10, 20, 30, 40))
    assert (drawn.at_x(0), drawn.at_x(10)) == (10, 70)
    assert (drawn.at_y(0), drawn.at_y(1)) == (60, 20)
    drawn.line([(0, 0), (10, 1)], 'mid')
    assert 'M10.0 60.0L70.0 20.0' in drawn.__html__()
    assert re.search('viewBox="0 0 100 100"', drawn.__html__())
