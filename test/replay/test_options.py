"""The parameter file of the node tells a replay what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.replay import ReplayOptions
from mmer_ros.replay.options import NodeParameters, WITHOUT_EFFECT
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
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
    names = yaml.safe_load(DEFAULTS.read_text())['/**']['ros__parameters']
    assert set(names) == set(NodeParameters.model_fields) | (WITHOUT_EFFECT - {'use_sim_time'})
    options = ReplayOptions.from_parameters(DEFAULTS)
    assert options.topics == {'image': '/image', 'audio': '/audio', 'transcript': '/transcript'}
    expected = ReplayOptions(topics=options.topics)
    assert options == expected and options.segmenter == SegmenterConfig()


def test_nested_and_dotted_names_mean_the_same(tmp_path: Path) -> None:
    nested = {'segmenter': {'speech': {'vad': {'threshold': 0.6}}, 'stall_s': 2.0}}
    dotted = {'segmenter.speech.vad.threshold': 0.6, 'segmenter': {'stall_s': 2.0}}
    for parameters in (nested, dotted):
        config = ReplayOptions.from_parameters(written(tmp_path, parameters)).segmenter
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


def test_what_is_said_last_counts(tmp_path: Path) -> None:
    path = tmp_path / 'params.yaml'
    path.write_text('/**:\n  ros__parameters: {device: cuda, threads: 4}\n'
                    'other:\n  ros__parameters: {device: tpu}\n'
                    'emotion:\n  ros__parameters: {device: cpu}\n')
    options = ReplayOptions.from_parameters(path, bundle='mine')
    assert (options.device, options.threads, options.bundle) == ('cpu', 4, 'mine')


def test_a_parameter_that_nobody_knows_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, {'bundel': 'mine', 'use_sim_time': True})
    assert ReplayOptions.from_parameters(path).notices == (
        f'{path}: parameter bundel is not known; it has no effect',)


@pytest.mark.parametrize(('parameters', 'names'), [
    ({'threads': 'many'}, 'threads'), ({'image_transport': 'pigeon'}, 'image_transport'),
    ({'segmenter': {'stall_s': -1.0}}, 'segmenter.stall_s'),
    ({'segmenter': {'stall': 1.0}}, 'segmenter.stall')])
def test_what_cannot_be_is_told(tmp_path: Path, parameters: Any, names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        ReplayOptions.from_parameters(written(tmp_path, parameters))


@pytest.mark.parametrize('text', ['', 'a: [', '- 1\n- 2\n', 'emotion:\n  threads: 2\n'])
def test_what_is_no_parameter_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / 'params.yaml'
    path.write_text(text)
    with pytest.raises(InvalidInput, match='params.yaml: '):
        ReplayOptions.from_parameters(path)
