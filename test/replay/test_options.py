# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The parameter file of the node tells a replay what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.replay import replay_bag, ReplayOptions, ReplayResult
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.settings import Parameter, parameters
from mmer_ros.types import InvalidInput
import pytest
import yaml

from ..fixtures.stream import ROOT

DEFAULTS = ROOT / 'config' / 'emotion.yaml'


def written(folder: Path, parameters: Any, name: str = '/**') -> Path:
    path = folder / 'params.yaml'
    path.write_text(yaml.safe_dump({name: {'ros__parameters': parameters}}))
    return path


def test_the_file_that_is_installed_holds_the_defaults() -> None:
    options = ReplayOptions.from_parameters(DEFAULTS)
    assert options.topics == {'image': '/image', 'audio': '/audio', 'transcript': '/transcript'}
    expected = ReplayOptions(topics=options.topics)
    assert options == expected and options.segmenter == SegmenterConfig()


def test_paths_may_be_texts(tmp_path: Path) -> None:
    (tmp_path / 'p.yaml').write_text('emotion: {ros__parameters: {prior: flat}}')
    options = ReplayOptions.from_parameters(str(tmp_path / 'p.yaml'), output='out', labels='l.csv')
    assert (options.output, options.labels) == (Path('out'), Path('l.csv'))
    for read in (replay_bag, ReplayResult.load):
        with pytest.raises(InvalidInput, match='nowhere'):
            read(str(tmp_path / 'nowhere'))


def test_nested_and_dotted_names_mean_the_same(tmp_path: Path) -> None:
    nested = {'segmenter': {'speech': {'vad': {'threshold': 0.6}}, 'stall_s': 2.0}}
    dotted = {'segmenter.speech.vad.threshold': 0.6, 'segmenter': {'stall_s': 2.0}}
    for given in (nested, dotted):
        config = ReplayOptions.from_parameters(written(tmp_path, given)).segmenter
        assert (config.speech.vad.threshold, config.stall_s) == (0.6, 2.0)
        assert config.speech.pre_roll_s == SegmenterConfig().speech.pre_roll_s


@pytest.mark.parametrize(('name', 'topic'), [
    ('/**', '/cam/compressed'), ('emotion', '/cam/compressed'), ('/emotion', '/cam/compressed'),
    ('/robot/emotion', '/robot/cam/compressed')])
def test_relative_topics_are_in_the_namespace_of_the_node(tmp_path: Path, name: str,
                                                          topic: str) -> None:
    parameters = {'image_topic': 'cam', 'image_transport': 'compressed', 'audio_topic': '',
                  'transcript_topic': '/asr', 'emotion_topic': 'mood'}
    options = ReplayOptions.from_parameters(written(tmp_path, parameters, name))
    assert options.topics == {'image': topic, 'audio': '', 'transcript': '/asr'}
    assert options.emotion_topic == topic.replace('cam/compressed', 'mood')


def test_the_last_value_counts(tmp_path: Path) -> None:
    path = tmp_path / 'params.yaml'
    path.write_text('/**:\n  ros__parameters: {device: cuda, threads: 4}\n'
                    'other:\n  ros__parameters: {device: tpu}\n'
                    'emotion:\n  ros__parameters: {device: cpu}\n')
    options = ReplayOptions.from_parameters(path, bundle='mine')
    assert (options.device, options.threads, options.bundle) == ('cpu', 4, 'mine')


def another(parameter: Parameter) -> Any:
    """Return a value that is not the default."""
    texts = {'prior': 'flat', 'device': 'cuda:1'}
    if parameter.kind is str:
        choices = [choice for choice in parameter.choices if choice != parameter.default]
        return choices[-1] if choices else texts.get(parameter.name, 'a/b')
    return not parameter.default if parameter.kind is bool else parameter.maximum


def test_a_replay_follows_just_the_parameters_that_are_declared_as_replayed(
        tmp_path: Path) -> None:
    default = ReplayOptions.from_parameters(written(tmp_path, {}))
    followed = set()
    for name, parameter in parameters().items():
        changed = ReplayOptions.from_parameters(written(tmp_path, {name: another(parameter)}))
        assert not changed.notices
        if changed != default:
            followed.add(name)
    assert followed == {name for name, p in parameters().items() if p.replayed}


def test_options_and_node_have_the_same_defaults_and_limits(tmp_path: Path) -> None:
    assert ReplayOptions.from_parameters(written(tmp_path, {})) == ReplayOptions(
        topics={kind: f'/{kind}' for kind in ('image', 'audio', 'transcript')})
    with pytest.raises(InvalidInput, match='partial_rate is 50; expected a number from 0 to 10'):
        ReplayOptions(partial_rate=50)


@pytest.mark.parametrize(('parameters', 'notice'), [
    ({'bundel': 'mine'}, 'parameter bundel is unknown and has no effect; did you mean bundle?'),
    ({'segmenter': {'stall': 1.0}}, 'parameter segmenter.stall is unknown and has no effect; did '
     'you mean segmenter.stall_s?'),
    ({'stall_s': 1.0}, 'parameter stall_s is unknown and has no effect; did you mean '
     'segmenter.stall_s?'),
    ({'zzz': 1}, 'parameter zzz is unknown and has no effect')])
def test_an_unknown_parameter_is_noted_with_the_nearest_name(
        tmp_path: Path, parameters: dict[str, Any], notice: str) -> None:
    standard = {'use_sim_time': True, 'qos_overrides./image.subscription.depth': 3}
    path = written(tmp_path, standard | parameters)
    assert ReplayOptions.from_parameters(path).notices == (f'{path}: {notice}',)


@pytest.mark.parametrize(('given', 'words'), [
    ({'threads': 'many'}, "threads is 'many'; expected an integer from 0 to 256"),
    ({'image_transport': 'pigeon'}, 'expected one of empty, raw, compressed'),
    ({'image_depth': 0}, 'image_depth is 0; expected an integer from 1 to 10000'),
    ({'segmenter': {'stall_s': -1.0}}, 'segmenter.stall_s is -1.0; expected a number from 0.2')])
def test_a_wrong_value_is_refused_with_what_was_expected(
        tmp_path: Path, given: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        ReplayOptions.from_parameters(written(tmp_path, given))


@pytest.mark.parametrize('text', ['', 'a: [', '- 1\n- 2\n', 'emotion:\n  threads: 2\n'])
def test_what_is_no_parameter_file_is_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'params.yaml'
    path.write_text(text)
    with pytest.raises(InvalidInput, match='params.yaml: '):
        ReplayOptions.from_parameters(path)
