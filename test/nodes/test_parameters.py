# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The parameters of the nodes are those that mmer_ros.settings declares; over real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.emotion_node import EmotionNode
from mmer_ros.nodes.estimator_node import EstimatorNode
from mmer_ros.nodes.managed_node import ManagedNode
from mmer_ros.nodes.parameters import useless_files
from mmer_ros.nodes.segmenter_node import SegmenterNode
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.settings import CAMERA, NodeSettings, parameters, setting
import rclpy
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter

CLASSES = {'emotion': EmotionNode, 'segmenter': SegmenterNode, 'estimator': EstimatorNode}


@contextmanager
def made(node_class: type[ManagedNode], *arguments: str, **overrides: object
         ) -> Iterator[ManagedNode]:
    """Make an unconfigured node, with a command line and overrides."""
    own_domain()
    context = rclpy.Context()
    context.init(args=['node', '--ros-args', *arguments] if arguments else None)
    node = node_class(context=context, parameter_overrides=[
        Parameter(name, value=value) for name, value in overrides.items()])
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def change(node: ManagedNode, name: str, value: object) -> str:
    """Set a parameter and return why that was refused, '' if it was not."""
    result = node.set_parameters([Parameter(name, value=value)])[0]
    return '' if result.successful else str(result.reason)


@pytest.mark.parametrize('kind', CLASSES)
def test_a_node_has_the_declared_parameters_with_default_description_and_range(kind: str) -> None:
    with made(CLASSES[kind]) as node:
        for name, parameter in parameters(node=kind).items():
            descriptor = node.describe_parameter(name)
            value = node.get_parameter(name).value
            assert (value, type(value)) == (parameter.default, parameter.kind)
            assert descriptor.description == parameter.description
            assert descriptor.read_only == parameter.read_only
            assert all(choice in descriptor.additional_constraints
                       for choice in parameter.choices)
            ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
            assert [(r.from_value, r.to_value) for r in ranges] == (
                [(parameter.minimum, parameter.maximum)] if parameter.kind in (int, float) else [])
        others = set(parameters()) - set(parameters(node=kind))
        assert not any(node.has_parameter(name) for name in others)


class Zooming(NodeSettings):
    """The settings with one more field: all that a new parameter takes."""

    zoom: float = setting(CAMERA, 1.0, 'Images are enlarged by this factor.', ge=1, le=8)


class ZoomingNode(EmotionNode):
    settings_model = Zooming


def test_one_more_field_is_one_more_parameter_of_the_node() -> None:
    with made(ZoomingNode, zoom=2.0) as node:
        descriptor = node.describe_parameter('zoom')
        assert descriptor.description == 'Images are enlarged by this factor.'
        assert node._declared.settings().zoom == 2.0
        assert change(node, 'zoom', 9.0)  # out of range
        assert node.get_parameter('zoom').value == 2.0
    with pytest.raises(InvalidParameterValueException), made(ZoomingNode, zoom=0.5):
        pass


@pytest.mark.parametrize(('name', 'value', 'words'), [
    ('image_transport', 'pigeon', "is 'pigeon'; expected one of empty, raw, compressed"),
    ('audio_reliability', 'sure', "is 'sure'; expected one of best_effort, reliable"),
    ('audio_format', 'mp3', "is 'mp3'; expected one of S8, U8"),
    ('device', 'abacus', "is 'abacus'; expected cpu, cuda or cuda:N"),
    ('prior', 'often', "is 'often'; expected talk, meld, flat"),
    ('audio_type', 'Audio', "is 'Audio'; expected a message type")])
def test_a_text_that_is_no_choice_is_refused_when_it_is_set_and_fails_configuration(
        name: str, value: str, words: str) -> None:
    with made(EmotionNode) as node:
        assert f'parameter {name} {words}' in change(node, name, value)
    with made(EmotionNode, **{name: value}) as node:
        assert node.trigger_configure().name == 'FAILURE'
        assert f'parameter {name} {words}' in node._failure
        assert not change(node, name, parameters()[name].default)


FILE = """
/**:
  ros__parameters:
    use_sim_time: false
    bundel: compact
    parts_queue: 10
    segmenter: {stall: 0.5, speech: {tail_s: 0.1}}
/emotion:
  ros__parameters:
    partial_rat: 2.0
"""


@pytest.mark.parametrize(('kind', 'unknown'), [
    ('emotion', {'bundel': 'bundle', 'segmenter.stall': 'segmenter.stall_s',
                 'partial_rat': 'partial_rate', 'imag_topic': 'image_topic'}),
    ('estimator', {'bundel': 'bundle', 'segmenter.stall': 'segmenter.stall_s',
                   'imag_topic': 'image_topic'})])
def test_a_node_warns_of_names_that_no_node_knows_with_the_nearest_one(
        tmp_path: Path, capfd: Any, kind: str, unknown: dict[str, str]) -> None:
    (tmp_path / 'robot.yaml').write_text(FILE)
    with made(CLASSES[kind], '--params-file', str(tmp_path / 'robot.yaml'), '-p', 'imag_topic:=x',
              '-p', 'qos_overrides./tf.subscription.depth:=1') as node:
        assert not node.has_parameter('bundel')
    warnings = [line for line in capfd.readouterr().err.splitlines() if 'unknown' in line]
    assert sorted(line.partition('parameter ')[2] for line in warnings) == sorted(
        f'{name} is unknown and has no effect; did you mean {near}?'
        for name, near in unknown.items())


def test_a_node_whose_parameters_are_known_warns_of_nothing(capfd: Any) -> None:
    installed = Path(__file__).parents[2] / 'config' / 'emotion.yaml'
    for node_class in CLASSES.values():
        with made(node_class, '--params-file', str(installed)):
            pass
    assert 'unknown' not in capfd.readouterr().err


@pytest.mark.parametrize(('block', 'node', 'is_used'), [
    ('emotion', '/emotion', True), ('/emotion', '/emotion', True), ('/**', '/a/emotion', True),
    ('/*', '/emotion', True), ('/**/emotion', '/a/b/emotion', True),
    ('emotoin', '/emotion', False), ('emotion', '/robot1/emotion', False),
    ('/*', '/robot1/emotion', False),
    ('/robot1/emotion', '/robot1/emotion', True), ('/estimator', '/segmenter', True)])
def test_a_parameter_file_that_is_for_no_node_of_ours_is_named(
        tmp_path: Path, block: str, node: str, is_used: bool) -> None:
    path = tmp_path / 'robot.yaml'
    path.write_text(f'{block}:\n  ros__parameters: {{partial_rate: 2.0}}\n')
    found = useless_files(['emotion', '--ros-args', '--params-file', str(path)], node)
    assert (found == []) == is_used
    assert is_used or f'are for /{block.strip("/")}; this node is {node}' in found[0]


def test_a_process_warns_of_a_parameter_file_for_another_node(tmp_path: Path) -> None:
    (tmp_path / 'robot.yaml').write_text('robot1:\n  emotion:\n    ros__parameters: {a: 1}\n')
    command = [sys.executable, '-m', 'mmer_ros.nodes.executables', 'emotion', '--ros-args',
               '--params-file', str(tmp_path / 'robot.yaml'), '-p', 'autostart:=false']
    own_domain()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if 'has no effect' in line)
        process.terminate()
    assert 'are for /robot1/emotion; this node is /emotion' in line and process.returncode == 0
