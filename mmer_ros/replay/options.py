"""What a replay is told: by its caller, or by the parameter file of the node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmer_ros.interfaces.audio import AudioFormat
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.prior_correction import ROBOT
from mmer_ros.replay.thumbnails import FACES, SHOW
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import InvalidInput
from pydantic import BaseModel, ConfigDict, Field, ValidationError
import yaml

KINDS = ('image', 'audio', 'transcript')
NODE = 'emotion'
WITHOUT_EFFECT = frozenset({  # parameters of the node that a replay has no use for
    'autostart', 'image_reliability', 'audio_reliability', 'transcript_reliability', 'ros4hri',
    'image_depth', 'audio_depth', 'transcript_depth', 'image_queue', 'audio_queue', 'audio_type',
    'transcript_type', 'audio_info_topic', 'ros4hri_voices', 'use_sim_time', 'debug_image',
    'publish_expressions', 'health', 'source', 'parts_topic', 'parts_depth', 'parts_queue',
    'parts_wait_s', 'batch'})


class NodeParameters(BaseModel):
    """The parameters of the `emotion` node that a replay follows, with the node's defaults."""

    model_config = ConfigDict(frozen=True, extra='ignore')

    bundle: str = DEFAULT_BUNDLE
    bundle_hash: str = ''
    prior: str = ROBOT
    device: str = 'cpu'
    threads: int = Field(1, ge=0, le=256)
    image_topic: str = 'image'
    image_transport: str = Field('', pattern='^(raw|compressed)?$')
    audio_topic: str = 'audio'
    audio_rate: int = Field(16_000, ge=8_000, le=192_000)
    audio_channels: int = Field(1, ge=1, le=32)
    audio_format: str = 'S16LE'
    transcript_topic: str = 'transcript'
    emotion_topic: str = 'emotion'
    publish_transcript: bool = False
    partial_rate: float = Field(1.0, ge=0, le=10)
    segmenter: SegmenterConfig = SegmenterConfig()


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """
    How recordings are replayed.

    :param bundle: name or folder of the model bundle.
    :param bundle_hash: if not empty, another bundle is refused.
    :param prior: how common the emotions are; see mmer_ros.recognition.prior_correction.
    :param device: e.g. 'cpu', 'cuda'.
    :param threads: CPU threads of the networks, set for the whole process; 0: leave as it is.
    :param topics: image, audio, transcript -> topic; '' leaves a kind out; what is not named is
        found by type.
    :param audio_format: of raw audio, where neither messages nor a recorded AudioInfo tell.
    :param labels: file of labels; None: labels.csv or labels.json in the recording, if there.
    :param output: folder for the results; None: nothing is written.
    :param write_bag: also write a recording with the estimates beside the original messages.
    :param emotion_topic: of the estimates in it.
    :param publish_transcript: whether they carry the words.
    :param partial_rate: estimates so far while somebody speaks, Hz of capture time; 0: none.
    :param report: also write a page, report.html, if there is an output folder.
    :param faces: in the pictures of the page: show, blur, or none for no pictures at all.
    :param detect_ahead: threads that look for faces ahead of the recogniser; 0: none.
    """

    bundle: str = DEFAULT_BUNDLE
    bundle_hash: str = ''
    prior: str = ROBOT
    device: str = 'cpu'
    threads: int = 1
    topics: Mapping[str, str] = field(default_factory=dict)
    audio_format: AudioFormat = AudioFormat()
    segmenter: SegmenterConfig = SegmenterConfig()
    labels: Path | None = None
    output: Path | None = None
    write_bag: bool = False
    emotion_topic: str = '/emotion'
    publish_transcript: bool = False
    partial_rate: float = 1.0
    report: bool = True
    faces: str = SHOW
    detect_ahead: int = 2
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what is not checked elsewhere."""
        if self.faces not in FACES:
            raise InvalidInput(f'faces {self.faces!r}; expected {", ".join(FACES)}')

    @classmethod
    def from_parameters(cls, path: Path, **changes: Any) -> ReplayOptions:
        """
        Return the options that a parameter file of the node stands for.

        :param changes: fields that are set otherwise.
        :raises InvalidInput: if the file is not of this form.
        """
        values, namespace, notices = _read(path)
        try:
            parameters = NodeParameters.model_validate(values)
        except ValidationError as error:
            wrong = '; '.join(f'{".".join(map(str, e["loc"]))}: {e["msg"]}'
                              for e in error.errors())
            raise InvalidInput(f'{path}: {wrong}; see docs/parameters.md') from error
        topics = {kind: _absolute(getattr(parameters, f'{kind}_topic'), namespace)
                  for kind in KINDS}
        compressed = parameters.image_transport == 'compressed'
        if compressed and topics['image'] and not topics['image'].endswith('/compressed'):
            topics['image'] += '/compressed'  # as the node does
        options: dict[str, Any] = {
            name: getattr(parameters, name) for name in
            ('bundle', 'bundle_hash', 'prior', 'device', 'threads', 'segmenter',
             'publish_transcript', 'partial_rate')}
        options |= {'topics': topics, 'notices': tuple(notices),
                    'emotion_topic': _absolute(parameters.emotion_topic, namespace),
                    'audio_format': AudioFormat(parameters.audio_rate, parameters.audio_channels,
                                                parameters.audio_format)}
        return cls(**(options | changes))


def _absolute(topic: str, namespace: str) -> str:
    return topic if not topic or topic.startswith('/') else f'{namespace}/{topic}'


def _read(path: Path) -> tuple[dict[str, Any], str, list[str]]:
    """Return the node's parameters, its namespace, and what a person should know of them."""
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidInput(f'{path}: it cannot be read as YAML ({error})') from error
    values: dict[str, Any] = {}
    namespace = ''
    found = False
    for name, parameters in _blocks(content, ''):
        before, _, last = name.rpartition('/')
        if last not in (NODE, '*', '**'):
            continue
        found = True
        if last == NODE and '*' not in before:
            namespace = before
        values = _merged(values, _nested(parameters))
    if not found:
        raise InvalidInput(f'{path}: no parameters of the node {NODE!r}; expected them under '
                           f"'/**: ros__parameters:' as in config/emotion.yaml")
    unknown = sorted(set(values) - set(NodeParameters.model_fields) - WITHOUT_EFFECT)
    return values, namespace, [f'{path}: parameter {name} is not known; it has no effect'
                               for name in unknown]


def _blocks(content: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == 'ros__parameters' and isinstance(value, dict):
            yield name, value
        else:
            yield from _blocks(value, f'{name}/{str(key).strip("/")}')


def _nested(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with `a.b: 1` written as `a: {b: 1}`."""
    values: dict[str, Any] = {}
    for name, value in parameters.items():
        value = _nested(value) if isinstance(value, dict) else value
        for key in reversed(str(name).split('.')):
            value = {key: value}
        values = _merged(values, value)
    return values


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = _merged(values[key], value) if both else value
    return values
