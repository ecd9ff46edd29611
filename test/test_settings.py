# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Each setting is declared once; values are checked against the declaration."""

from __future__ import annotations

import re
from typing import Any

from mmer_ros.settings import (
    NODES,
    NodeSettings,
    parameters,
    SECTIONS,
    unknown_parameter,
)
from mmer_ros.types import InvalidInput
import pytest


def test_every_parameter_is_described_in_full_sentences_that_stand_alone() -> None:
    for name, parameter in parameters().items():
        text = parameter.description
        sentences = re.split(r'(?<=\.) (?=[A-Z0-9])', text)
        assert text.endswith('.'), name
        assert all(len(sentence.split()) >= 4 for sentence in sentences), name
        assert all(sentence[0].isupper() or sentence[0] == '0' for sentence in sentences), name
        assert not re.search(r'likewise|see docs|see above|\bas \w+_\w+\b', text), name


def test_every_default_is_a_value_that_is_accepted_and_every_number_has_a_range() -> None:
    defaults = {name: parameter.default for name, parameter in parameters().items()}
    assert NodeSettings.from_parameters(defaults) == NodeSettings()
    for name, parameter in parameters().items():
        assert type(parameter.default) is parameter.kind
        if parameter.kind in (int, float):
            assert parameter.minimum is not None and parameter.maximum is not None, name
            assert parameter.minimum <= parameter.default <= parameter.maximum, name


def test_each_parameter_belongs_to_nodes_and_emotion_has_those_of_the_two_halves() -> None:
    of = {node: set(parameters(node=node)) for node in NODES}
    assert of['emotion'] | of['segmenter'] | of['estimator'] == set(parameters())
    # The estimator gets the crops of speakers only, so it has nobody else to tell of.
    assert of['emotion'] - {'people_rate'} <= of['segmenter'] | of['estimator']
    assert len({section.title for section in SECTIONS}) == len(SECTIONS)


@pytest.mark.parametrize(('given', 'words'), [
    ({'threads': -1}, 'parameter threads is -1; expected an integer from 0 to 256'),
    ({'partial_rate': 'often'}, "partial_rate is 'often'; expected a number from 0 to 10"),
    ({'autostart': 'perhaps'}, "autostart is 'perhaps'; expected true or false"),
    ({'audio_reliability': 'sure'}, 'expected one of best_effort, reliable'),
    ({'image_transport': 'pigeon'}, "'pigeon'; expected one of empty, raw, compressed"),
    ({'device': 'abacus'}, "device is 'abacus'; expected cpu, cuda or cuda:N"),
    ({'prior': 'often'}, "prior is 'often'; expected talk, meld, flat, or seven numbers"),
    ({'transcript_type': 'String'}, 'expected a message type such as std_msgs/msg/String'),
    ({'source': 'no way'}, "source is 'no way'; expected a namespace"),
    ({'segmenter.speech.vad.threshold': 2.0}, 'segmenter.speech.vad.threshold is 2.0'),
    ({'health.window_s': 1.0}, 'health.window_s is 1.0; expected a number from 2 to 600'),
    ({'health.windows': 1.0}, 'health.windows is unknown .* did you mean health.window_s'),
    ({'threads': -1, 'batch': -1}, r'threads is -1.*; parameter batch is -1')])
def test_a_wrong_value_is_refused_naming_parameter_expectation_and_value(
        given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        NodeSettings.from_parameters(given)


@pytest.mark.parametrize('name', [
    'partial_rate', 'segmenter.stall_s', 'use_sim_time', 'start_type_description_service',
    'qos_overrides./parameter_events.publisher.depth'])
def test_neither_our_parameters_nor_those_of_ros_are_unknown(name: str) -> None:
    assert unknown_parameter(name, parameters()) == ''


@pytest.mark.parametrize(('topic', 'transport', 'topics'), [
    ('image', '', ('image', 'image/compressed')), ('image', 'raw', ('image',)),
    ('image', 'compressed', ('image/compressed',)),
    ('a/compressed', 'compressed', ('a/compressed',)), ('a/compressed', '', ('a/compressed',))])
def test_the_transport_decides_where_images_are_looked_for(
        topic: str, transport: str, topics: tuple[str, ...]) -> None:
    assert NodeSettings(image_topic=topic, image_transport=transport).image_topics == topics
