# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Pages: what holds for each, whatever is on it."""

from __future__ import annotations

import base64
import hashlib
import re

from jinja2 import UndefinedError
from mmer_ros.colours import COLOURS
from mmer_ros.report.page import environment, render
from mmer_ros.report.plot import around, Plot, ticks
from mmer_ros.report.table import Cell, row, Table
import pytest

from ..fixtures.pages import NASTY, Parsed

BODY = """{% import 'macros.html' as m %}
{{ m.banner(text) }}
{% call m.section('a', text) %}
<dl>{{ m.tile(text, text, text, [text]) }}</dl>{{ m.facts({text: text}) }}
{{ m.note([text] * 3, text, 2) }}
{% call m.card(text, text, [('mark', text)]) %}{{ plot }}{{ text }}{% endcall %}
{% call m.card(text, folded=true) %}{{ m.of_table(table) }}{% endcall %}
{{ m.table([text], [[text]]) }}{{ m.confusion([[1, 2, 3, 4, 5, 6, 7]] * 7) }}
{{ m.chip(text) }}{{ m.bars({text: 0.5}) }}{{ m.weights({text: none}) }}{{ m.strip({text: 1}) }}
{% endcall %}
{% call m.framed('b', text) %}
{% call m.searched(text, [(text, '')], text) %}<tr><td>{{ text }}</td></tr>{% endcall %}
{% endcall %}
"""


def plot(label: str = 'a plot') -> Plot:
    drawn = Plot(400, 200, (0, 1), (0, 1), label)
    drawn.axes([0, 1], [0, 1], label, label)
    drawn.dot((.5, .5), 'right', label)
    drawn.line([(0, 0), (1, 1)], 'mid', label)
    drawn.bar((0, 0), (.1, .1), 'late', label)
    drawn.name_ends({label: ('a', .5)})
    return drawn


def everything(text: str) -> str:
    """Return a page with each kind of part, all of them with this text."""
    table = Table((text, text), [row(Cell(text, text), text)], groups=((text, 2),), title=text,
                  caption=text)
    return render(environment().from_string(BODY), text, [text], footer=text, text=text,
                  table=table, plot=plot(text))


def test_whatever_a_page_shows_is_escaped() -> None:
    text = everything(NASTY)
    parsed = Parsed(text)
    assert 'alert("x")' not in text
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert not [a for _, a in parsed.tags if 'onload' in a or 'evil' in a.get('src', '')]
    assert ''.join(parsed.text).count(NASTY) == ''.join(
        Parsed(everything('words')).text).count('words') > 30


def test_a_page_needs_nothing_else() -> None:
    text = everything('words')
    assert 'http:' not in text and 'https:' not in text
    assert '@import' not in text and 'url(' not in text
    assert not [tag for tag, _ in Parsed(text).tags
                if tag in ('link', 'iframe', 'object', 'video', 'img')]


def test_a_browser_runs_the_script_of_the_page_only() -> None:
    text = everything('words')
    policy = next(a['content'] for _, a in Parsed(text).tags
                  if a.get('http-equiv') == 'Content-Security-Policy')
    script = text.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_a_page_follows_the_scheme_and_the_width_of_the_screen() -> None:
    text = everything('words')
    assert '(prefers-color-scheme: dark)' in text and 'width=device-width' in text
    for name, colour in COLOURS.items():
        assert f'.e-{name} {{ --c: {colour};' in text


def test_contents_name_the_sections_if_there_are_several() -> None:
    links = [a['href'] for tag, a in Parsed(everything('x')).tags if tag == 'a']
    assert links == ['#a', '#b']
    one = environment().from_string(BODY.partition('{% call m.framed')[0])
    text = render(one, 't', text='x', table=Table((), []), plot='')
    assert not [tag for tag, _ in Parsed(text).tags if tag == 'nav']


def test_a_name_that_a_template_does_not_know_is_an_error() -> None:
    with pytest.raises(UndefinedError, match='nowhere'):
        render(environment().from_string('{{ nowhere }}'), 't')


def test_empty_parts_leave_nothing_behind() -> None:
    empty = environment().from_string(
        "{% import 'macros.html' as m %}{{ m.banner('') }}{{ m.facts({}) }}{{ m.note([]) }}")
    parsed = Parsed(render(empty, 't'))
    assert not parsed.of_class('warning') and not parsed.of_class('facts')
    assert not parsed.of_class('note')


def test_confusion_shows_counts_and_the_share_of_their_row() -> None:
    text = str(environment().get_template('macros.html').module.confusion(
        [[3, 1, *[0] * 5], *[[0] * 7] * 6]))
    cells = [a for tag, a in Parsed(text).tags if tag == 'td']
    assert [cell['style'] for cell in cells[:3]] == ['--v:75.0%', '--v:25.0%', '--v:0.0%']
    assert cells[1]['title'] == 'neutral, answered surprise: 1 of 4'
    assert cells[0]['class'].split() == ['hit', 'deep']


def test_markdown_groups_and_bold_rows() -> None:
    table = Table(('', 'n', 'n'), [row('a', '1', Cell('2', '[1.0, 3.0]')), row('b', '–', '3')],
                  groups=(('', 1), ('ours', 1), ('theirs', 1)), heavy=frozenset({1}))
    assert table.to_markdown().splitlines() == [
        '|  | ours n | theirs n |', '| --- | ---: | ---: |', '| a | 1 | 2 [1.0, 3.0] |',
        '| **b** | – | **3** |']


def test_a_name_that_comes_again_is_shown_once() -> None:
    table = Table(('m', 'g', 'n'), [row('a', 'x', '1'), row('a', 'y', '2'), row('b', 'x', '3')],
                  words=2, heavy=frozenset({2}))
    text = str(environment().get_template('macros.html').module.of_table(table))
    rows = [a['class'].split() for tag, a in Parsed(text).tags if tag == 'tr' and 'class' in a]
    assert rows == [[], ['again'], ['heavy']]


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
