# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The layout for Foxglove: every panel is placed, every path leads to a field that exists."""

from __future__ import annotations

from importlib import import_module
import json
from pathlib import Path
import re
from typing import Any

from mmer_ros.types import EMOTIONS
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('mmer_msgs.msg', reason='needs mmer_msgs (make env)')

from diagnostic_msgs.msg import DiagnosticArray
from mmer_msgs.msg import EmotionEstimate
from sensor_msgs.msg import Image

FILE = Path(__file__).parents[2] / 'config' / 'foxglove_layout.json'
TYPES = {'/emotion': EmotionEstimate, '/diagnostics': DiagnosticArray,
         '/emotion/debug_image': Image}
LAYOUT = json.loads(FILE.read_text(encoding='utf-8'))
PANELS = LAYOUT['configById']
NUMBER = re.compile(r'u?int\d+|float|double|boolean')


def resolve(path: str) -> str:
    """Return the type of the field that a Foxglove message path leads to; empty: a message."""
    topic, *fields = re.split(r'\.', path)
    message, kind = TYPES[topic], ''
    for field in fields:
        name, index = re.fullmatch(r'(\w+)(?:\[(\d+)\])?', field).groups()
        kind = message.get_fields_and_field_types()[name]
        if index is not None:
            kind, size = re.fullmatch(r'([\w/]+)\[(\d+)\]', kind).groups()
            assert int(index) < int(size), path
        if '/' in kind:
            package, name = kind.split('/')
            message = getattr(import_module(f'{package}.msg'), name)
    return kind


def leaves(node: Any) -> list[str]:
    """Return the panels of the mosaic."""
    if isinstance(node, str):
        return [node]
    assert set(node) == {'direction', 'first', 'second', 'splitPercentage'}
    assert node['direction'] in ('row', 'column') and 0 < node['splitPercentage'] < 100
    return leaves(node['first']) + leaves(node['second'])


def series(kind: str) -> list[dict[str, Any]]:
    return [path for name, panel in PANELS.items() if name.startswith(f'{kind}!')
            for path in panel['paths']]


def test_it_has_the_parts_that_foxglove_asks_for() -> None:
    assert set(LAYOUT) == {'configById', 'globalVariables', 'userNodes', 'playbackConfig',
                           'layout'}
    assert LAYOUT['playbackConfig'] == {'speed': 1}


def test_every_panel_is_placed_once() -> None:
    placed = leaves(LAYOUT['layout'])
    assert sorted(placed) == sorted(PANELS)
    assert {name.split('!')[0] for name in placed} == {
        'Image', 'Plot', 'StateTransitions', 'DiagnosticSummary', 'RawMessages'}


def test_what_is_plotted_is_a_number_of_a_message() -> None:
    for path in series('Plot'):
        assert NUMBER.fullmatch(resolve(path['value'])), path
        assert path['enabled'] is True and path['timestampMethod'] == 'headerStamp'


def test_the_seven_probabilities_bear_the_names_of_their_emotions() -> None:
    plotted = [(p['value'], p['label']) for p in PANELS['Plot!probabilities']['paths']]
    assert plotted == [(f'/emotion.probabilities[{i}]', name) for i, name in enumerate(EMOTIONS)]
    assert len({p['color'] for p in PANELS['Plot!probabilities']['paths']}) == len(EMOTIONS)
    with pytest.raises(AssertionError):
        resolve('/emotion.probabilities[7]')


def test_transitions_are_of_single_values() -> None:
    assert {path['value']: resolve(path['value']) for path in series('StateTransitions')} == {
        '/emotion.label': 'string', '/emotion.person_id': 'string', '/emotion.final': 'boolean'}


def test_topics_are_those_of_the_node() -> None:
    assert PANELS['Image!camera']['imageMode']['imageTopic'] == '/emotion/debug_image'
    assert PANELS['RawMessages!estimate']['topicPath'] == '/emotion'
    assert PANELS['DiagnosticSummary!health']['topicToRender'] == '/diagnostics'
