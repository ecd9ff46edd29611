# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What `mmer monitor` shows, as plain text: nothing may depend on colours."""

from __future__ import annotations

import io
import math
import re
import sys

from mmer_ros.cli.main import main
from mmer_ros.monitor.state import FORGET_S, Graph, MAX_PEOPLE, SILENT_S
from mmer_ros.types import EMOTIONS
import pytest

from ..fixtures.monitor import find, NOW, row, screen, state, status

SETTINGS = (('ROS_DOMAIN_ID', '7'),)
SIZES = [(80, 24), (60, 16), (200, 60), (40, 10)]


def test_a_bar_is_as_long_as_its_probability() -> None:
    lines = screen(state(row(label='joy', confidence=0.6)))
    lengths = {name: find(lines, f'{name:8} ').count('█') for name in EMOTIONS}
    room = find(lines, '>joy').index(' 60 %') - find(lines, '>joy').index('█') - 1
    assert lengths['joy'] == pytest.approx(0.6 * room, abs=1)
    assert lengths['fear'] == pytest.approx(0.4 / 6 * room, abs=1)
    assert find(lines, '>joy').endswith(' 60 % │') and find(lines, ' fear').endswith('  7 % │')
    assert [line for line in lines if '>' in line] == [find(lines, '>joy')]


def test_a_card_has_every_fact_of_an_estimate() -> None:
    text = '\n'.join(screen(state(row(transcript='I lost it', revision=2), age=4.0)))
    for fact in ('Anna: sadness 61 %', 'FINAL, revision 2, 4.0 s ago', 'valence -0.42',
                 'arousal +0.13', 'text 0.25 audio 0.75 face 0.00', 'words: I lost it',
                 'bundle meld 1a2b3c4d', '/emotion: 1 estimates', 'node /emotion: active'):
        assert fact in text


def test_partial_and_final_estimates_differ_in_words_and_bars() -> None:
    final, partial = (
        '\n'.join(screen(state(row(final=is_final)))) for is_final in (True, False))
    assert 'FINAL' in final and '█' in final and '▒' not in final
    assert 'partial, speaking' in partial and '▒' in partial and '█' not in partial


def test_a_late_partial_estimate_does_not_replace_the_final_one() -> None:
    shown = state(row(), row(label='joy', final=False))
    assert 'Anna: sadness' in '\n'.join(screen(shown))
    shown.add_estimate(row(label='joy', final=False, utterance_id='u2'), NOW)
    assert 'Anna: joy' in '\n'.join(screen(shown))


@pytest.mark.parametrize(('changes', 'expected'), [
    ({'trained': False, 'calibrated': False}, 'sadness 61 % UNTRAINED'),
    ({'calibrated': False}, 'sadness 61 % uncalibrated')])
def test_what_cannot_be_trusted_is_marked(changes: dict[str, bool], expected: str) -> None:
    text = '\n'.join(screen(state(row(**changes))))
    assert expected in text
    assert ('bundle meld are noise' in text) == ('trained' in changes)


def test_words_that_were_used_but_not_published_are_not_called_none() -> None:
    assert find(screen(state(row())), 'words: used, not published')
    assert find(screen(state(row(modalities=['face']))), 'words: none')


def test_who_spoke_last_comes_first_and_whoever_is_gone_is_forgotten() -> None:
    shown = state(row('Anna'))
    shown.add_estimate(row('Ben'), NOW + 1)
    title = find(screen(shown, now=NOW + 1), 'Anna')
    assert 0 < title.index('Ben') < title.index('Anna')
    assert [who for who, _ in shown.people(NOW + FORGET_S + 0.5)] == ['Ben']
    for i in range(MAX_PEOPLE + 5):
        shown.add_estimate(row(f'p{i}'), NOW + 2 + i)
    assert len(shown.people(NOW + 100)) == MAX_PEOPLE


def test_without_a_person_the_voice_or_the_face_is_named() -> None:
    assert find(screen(state(row('', voice_id='v1'))), 'v1: sadness')
    assert find(screen(state(row(''))), 'f1: sadness')
    assert find(screen(state(row('', face_id=''))), 'unknown: sadness')


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('people', [0, 1, 2, 5, 16])
def test_it_fits_every_terminal(size: tuple[int, int], people: int) -> None:
    shown = state(*(row(f'person {i}', transcript='word ' * 50) for i in range(people)))
    for i in range(8):
        shown.add_health(status(f'emotion: part {i}', values='x' * 500, more='y'))
    lines = screen(shown, *size)
    assert len(lines) <= size[1]
    assert max(map(len, lines)) <= size[0]
    assert screen(shown, 20, 3)[0].startswith('mmer monitor')


def test_who_has_no_room_for_a_card_has_a_line() -> None:
    lines = screen(state(*(row(name, 'joy', 0.9) for name in ('Anna', 'Ben', 'Cem'))), 80, 24)
    assert find(lines, 'Ben: joy 90 %')
    assert re.search(r'Cem +joy 90 % .*FINAL .*jo█', find(lines, 'Cem'))
    crowd = screen(state(*(row(f'p{i}') for i in range(16))), 80, 24)
    assert find(crowd, 'and ') and find(crowd, 'health')


def test_the_worst_health_comes_first_and_every_value_is_shown() -> None:
    shown = state()
    shown.add_health(status('emotion: node', message='active', custom='42', state='active'))
    shown.add_health(status('emotion: image', 1, 'slow', **{'rate [Hz]': '2.1'}))
    shown.add_health(status('emotion: audio', 2, 'silent'))
    shown.add_health(status('wheels', 2, 'flat'))
    lines = screen(shown)
    starts = [re.sub(r'\W+', ' ', line).split()[:3] for line in lines if 'emotion: ' in line][-3:]
    assert starts == [['ERROR', 'emotion', 'audio'], ['WARN', 'emotion', 'image'],
                      ['OK', 'emotion', 'node']]
    values = find(lines, 'custom 42')
    assert values.index('state active') < values.index('custom 42')
    assert find(lines, 'rate [Hz] 2.1') and find(lines, '1 of other nodes hidden')
    assert not find(lines, 'wheels')
    shown.show_all = True
    assert find(screen(shown), 'ERROR wheels: flat')


def test_health_that_stops_coming_is_stale() -> None:
    shown = state()
    shown.add_health(status('emotion: node', at=NOW - SILENT_S - 2))
    assert find(screen(shown), 'STALE emotion: node: good (last seen 5.0 s ago)')


@pytest.mark.parametrize(('graph', 'expected'), [
    (Graph(settings=SETTINGS), ['No other node can be seen', 'ROS_DOMAIN_ID=7', 'ros2 launch']),
    (Graph(others=2, settings=SETTINGS), ['2 other nodes can be seen', '--node']),
    (Graph('', others=1), ['does not answer']),
    (Graph('unconfigured', others=1), ['unconfigured', 'ros2 lifecycle set /emotion configure']),
    (Graph('inactive', ('/emotion',), others=1), ['ros2 lifecycle set /emotion activate']),
    (Graph('finalized', others=1), ['started again']),
    (Graph('active', (), others=1), ['does not publish /emotion', '--topic']),
    (Graph('active', ('/emotion',), others=1), ['no estimate has come yet', 'speak for at least']),
    (Graph('', (), ('std_msgs/msg/String',), 1), ['std_msgs/msg/String', 'mmer_msgs'])])
def test_without_estimates_it_names_what_to_check(graph: Graph, expected: list[str]) -> None:
    text = ' '.join(' '.join(screen(state(graph=graph))).split())
    for part in expected:
        assert part.lower() in text.lower()


def test_when_estimates_come_there_is_no_advice() -> None:
    assert screen(state(row()))[1].startswith('╭─ Anna')


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    shown = state(row('\x1b[2J[bold]', transcript='a\nb\x07\x1b]0;c'))
    shown.add_health(status('emotion: \x1b[31m', message='x\r\ny', key='\x1b'))
    lines = screen(shown)
    assert not re.search(r'[\x00-\x09\x0b-\x1f]', '\n'.join(lines))
    assert find(lines, '?[2J[bold]: sadness') and find(lines, 'words: a b??]0;c')


def test_numbers_that_are_none_do_not_end_it() -> None:
    broken = row(confidence=math.nan) | {'label': 'unheard of'}
    assert find(screen(state(broken)), 'nan')
    assert find(screen(state(broken, *(row(f'p{i}') for i in range(8))), 60, 16), 'nan')


def test_without_ros_the_command_names_the_remedy(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, 'mmer_ros.nodes.tools.monitor', raising=False)
    for name in ('rclpy', 'diagnostic_msgs.msg'):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(['monitor', '--once']) == 2
    assert 'source the setup file of ROS 2' in ' '.join(capsys.readouterr().err.split())


@pytest.mark.parametrize('wait', ['-1', 'soon', 'nan'])
def test_a_wait_that_is_no_length_of_time_is_refused(
        wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['monitor', '--wait', wait])
    assert '--wait' in capsys.readouterr().err


def test_a_terminal_that_has_only_ascii_gets_only_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    text = '\n'.join(screen(state(row(), row('Ben', final=False)), file=file))
    assert text.isascii()
    assert '##' in text and '==' in text
