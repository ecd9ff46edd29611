# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""How recordings are replayed, from the caller or a parameter file of the node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

from mmer_ros.interfaces.audio import AudioFormat
from mmer_ros.replay.thumbnails import FACES, SHOW
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.settings import EMOTION, NodeSettings, parameters, unknown_parameter
from mmer_ros.types import InvalidInput
import yaml

OWN_KINDS = ('own_speaking', 'own_speech')  # of the robot itself; only where they are named
KINDS = ('image', 'audio', 'transcript', *OWN_KINDS)
DEFAULTS = NodeSettings()
MAX_VALUES, MAX_DEPTH = 10_000, 30  # of a parameter file


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """
    How recordings are replayed.

    The fields that mmer_ros.settings.NodeSettings has as well mean the same and have the same
    default.

    >>> ReplayOptions(partial_rate=0.0, output=Path('session.replay'))

    :param topics: one of KINDS -> topic. '' leaves a kind out; image, audio and transcript are
        found by their type if they are not named.
    :param audio_format: format of raw audio, where neither messages nor a recorded AudioInfo
        name it.
    :param labels: file of labels; None: labels.csv or labels.json in the recording, if there.
    :param output: folder for the results; None: nothing is written.
    :param write_bag: also write a recording with the estimates beside the original messages.
    :param emotion_topic: absolute topic of the estimates in that recording.
    :param report: collect pictures for a page; `replay_bags` writes it with `write_page`.
    :param faces: in the pictures of the page: show, blur, or none for no pictures at all.
    :param detect_ahead: threads that detect faces ahead of the recogniser; 0: none.
    :param notices: remarks for the summary of each replay.
    :raises InvalidInput: if a value is not one that the node would accept.
    """

    bundle: str = DEFAULTS.bundle
    bundle_hash: str = DEFAULTS.bundle_hash
    prior: str = DEFAULTS.prior
    adapt_to_voices: bool = DEFAULTS.adapt_to_voices
    device: str = DEFAULTS.device
    engine: str = DEFAULTS.engine
    threads: int = DEFAULTS.threads
    topics: Mapping[str, str] = field(default_factory=dict)
    audio_format: AudioFormat = DEFAULTS.raw_audio
    segmenter: SegmenterConfig = DEFAULTS.segmenter
    labels: Path | None = None
    output: Path | None = None
    write_bag: bool = False
    emotion_topic: str = f'/{DEFAULTS.emotion_topic}'
    publish_transcript: bool = DEFAULTS.publish_transcript
    stamps: str = DEFAULTS.stamps
    max_image_megapixels: float = DEFAULTS.max_image_megapixels
    partial_rate: float = DEFAULTS.partial_rate
    people_rate: float = DEFAULTS.people_rate
    report: bool = True
    faces: str = SHOW
    detect_ahead: int = 2
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what is not checked elsewhere; paths may be given as str."""
        for name in ('labels', 'output'):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path))
        if self.faces not in FACES:
            raise InvalidInput(f'faces {self.faces!r}; expected {", ".join(FACES)}')
        NodeSettings.from_parameters({name: getattr(self, name) for name in _shared()})

    @classmethod
    def from_parameters(cls, path: str | Path, **changes: Any) -> ReplayOptions:
        """
        Return the options that a parameter file of the node `emotion` stands for.

        :param changes: fields that are set otherwise.
        :raises InvalidInput: if the file is not of this form.
        """
        values, namespace, notices = _read(Path(path))
        try:
            settings = NodeSettings.from_parameters(values)
        except InvalidInput as error:
            raise InvalidInput(f'{path}: {error}') from error
        topics = {kind: topic for kind in KINDS
                  if (topic := getattr(settings, f'{kind}_topic')) or kind not in OWN_KINDS}
        if topics['image']:
            topics['image'] = settings.image_topics[0]
        options: dict[str, Any] = {name: getattr(settings, name) for name in _shared()}
        options |= {
            'segmenter': settings.segmenter, 'audio_format': settings.raw_audio,
            'topics': {kind: _absolute(topic, namespace) for kind, topic in topics.items()},
            'emotion_topic': _absolute(settings.emotion_topic, namespace),
            'notices': tuple(f'{path}: {notice}' for notice in notices)}
        return cls(**(options | changes))


def _shared() -> list[str]:
    """Return the names that options and parameters of the nodes have in common."""
    names = {option.name for option in fields(ReplayOptions)}
    names.discard('audio_format')  # here it stands for audio_rate and audio_channels as well
    return [name for name in parameters() if name in names]


def _absolute(topic: str, namespace: str) -> str:
    return topic if not topic or topic.startswith('/') else f'{namespace}/{topic}'


def _read(path: Path) -> tuple[dict[str, Any], str, list[str]]:
    """Return the node's parameters by dotted names, its namespace, and warnings."""
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        if len(list(islice(_values(content), MAX_VALUES + 1))) > MAX_VALUES:
            raise ValueError(f'it has more than {MAX_VALUES} values')
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise InvalidInput(f'{path}: it cannot be read as YAML ({reason})') from error
    given: dict[str, Any] = {}
    namespace = ''
    found = False
    for name, block in _blocks(content, ''):
        before, _, last = name.rpartition('/')
        if last not in (EMOTION, '*', '**'):
            continue
        found = True
        if last == EMOTION and '*' not in before:
            namespace = before
        given |= _dotted(block)
    if not found:
        raise InvalidInput(f'{path}: no parameters of the node {EMOTION!r}; expected them under '
                           f"'/**: ros__parameters:' as in config/emotion.yaml")
    known = parameters()
    notices = [notice for name in given if (notice := unknown_parameter(name, known))]
    return {name: value for name, value in given.items() if name in known}, namespace, notices


def _values(content: Any, depth: int = 0) -> Iterator[Any]:
    """Yield values until there are too many, as where anchors contain themselves."""
    if depth > MAX_DEPTH:
        raise ValueError('it is nested too deeply')
    nested = content.values() if isinstance(content, dict) else (
        content if isinstance(content, list) else ())
    yield content
    for value in nested:
        yield from _values(value, depth + 1)


def _blocks(content: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the full name of each node in the file, and its parameters."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        if key == 'ros__parameters' and isinstance(value, dict):
            yield name, value
        else:
            yield from _blocks(value, f'{name}/{str(key).strip("/")}')


def _dotted(block: Mapping[Any, Any], prefix: str = '') -> dict[str, Any]:
    """Return parameters with `a: {b: 1}` written as `a.b: 1`."""
    values: dict[str, Any] = {}
    for name, value in block.items():
        values |= _dotted(value, f'{prefix}{name}.') if isinstance(value, dict) else {
            f'{prefix}{name}': value}
    return values
