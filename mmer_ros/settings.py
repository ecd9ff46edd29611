# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The settings of nodes, replay and command line, each declared once.

A parameter of the nodes is a field of `NodeSettings`. Everything else follows from it: the ROS
descriptors, config/emotion.yaml, docs/parameters.md, the launch arguments and the options of
`mmer` (`python -m tools.settings_docs` writes the files). To add a parameter, add a field:

>>> rate = parameters()['partial_rate']
>>> rate.default, rate.expected, rate.live
(1.0, 'a number from 0 to 10', True)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import annotated_types
from mmer_ros.interfaces.audio import AudioFormat, SAMPLE_FORMATS
from mmer_ros.interfaces.images import MAX_PIXELS, MEGA
from mmer_ros.onnx_graphs import ENGINES
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.prior_correction import read_prior, ROBOT
from mmer_ros.sensing.clock_offsets import AUTO, STAMPS
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import InvalidInput
from pydantic import BaseModel, ConfigDict, Field, field_validator, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

EMOTION, SEGMENTER, ESTIMATOR = NODES = ('emotion', 'segmenter', 'estimator')
RELIABILITIES = ('best_effort', 'reliable')
TRANSPORTS = ('', 'raw', 'compressed')
OFF = '0 disables the check.'
# Parameters that ROS itself gives to every node.
STANDARD = ('use_sim_time', 'start_type_description_service')
STANDARD_GROUP = 'qos_overrides.'


@dataclass(frozen=True)
class Section:
    """
    A heading of docs/parameters.md, and the nodes that have the parameters below it.

    :param title: unique.
    """

    title: str
    nodes: tuple[str, ...]


NODE = Section('Node', NODES)
CAMERA = Section('Camera', (EMOTION, SEGMENTER))
MICROPHONE = Section('Microphone', (EMOTION, SEGMENTER))
CLOCKS = Section('Clocks', (EMOTION, SEGMENTER))
TRANSCRIPTS = Section('Transcripts', (EMOTION, SEGMENTER))
HUMANS = Section('ROS4HRI', (EMOTION, SEGMENTER))
OWN_VOICE = Section('Own voice', (EMOTION, SEGMENTER))
ESTIMATES = Section('Estimates', (EMOTION, ESTIMATOR))
PEOPLE = Section('People in view', (EMOTION,))
ROBOT_NAME = Section('Robot', (SEGMENTER,))
PARTS = Section('Utterance parts', (SEGMENTER, ESTIMATOR))
BATCHES = Section('Estimator', (ESTIMATOR,))
SEGMENTATION = Section('Segmentation', (EMOTION, SEGMENTER))
HEALTH = Section('Health', NODES)
SECTIONS = (NODE, CAMERA, MICROPHONE, CLOCKS, TRANSCRIPTS, HUMANS, OWN_VOICE, ESTIMATES,
            PEOPLE, ROBOT_NAME, PARTS, BATCHES, SEGMENTATION, HEALTH)


def setting(section: Section, default: Any, description: str = '', *,
            choices: Iterable[str] = (), form: str = '', live: bool = False,
            read_only: bool = False, replayed: bool = False, launch: bool = False,
            **bounds: Any) -> Any:
    """
    Declare a parameter as the value of a field.

    :param description: full sentences, shown by `ros2 param describe` and in the documentation.
    :param choices: the only values that a text may have.
    :param form: what a text with a `pattern` looks like, for people.
    :param live: a change takes effect while the node is configured.
    :param read_only: the value is used once, when the process starts.
    :param replayed: `mmer replay` uses it.
    :param launch: emotion.launch.py has an argument that overrides it.
    :param bounds: constraints of pydantic's Field: ge, le, pattern.
    """
    extra = {'section': section.title, 'choices': list(choices), 'form': form, 'live': live,
             'read_only': read_only, 'replayed': replayed, 'launch': launch}
    return Field(default, description=description, json_schema_extra=cast(Any, extra), **bounds)


class HealthLimits(BaseModel):
    """Thresholds of /diagnostics; 0 disables a check."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    window_s: float = Field(10.0, ge=2, le=600, description=(
        'Rates, counts and percentiles on /diagnostics cover this many seconds.'))
    silent_warn_s: float = Field(2.0, ge=0, le=3600, description=(
        'A camera or microphone that sends nothing for this many seconds causes a warning. '
        f'{OFF}'))
    silent_error_s: float = Field(10.0, ge=0, le=3600, description=(
        'A camera or microphone that sends nothing for this many seconds causes an error. '
        f'{OFF}'))
    unusable_warn_s: float = Field(30.0, ge=0, le=3600, description=(
        'A camera or microphone that sends only what cannot be used, such as black images, silent '
        f'audio or unreadable messages, for this many seconds causes a warning. {OFF}'))
    image_rate_warn: float = Field(4.0, ge=0, le=1000, description=(
        'Fewer images per second than this cause a warning; faces are detected in 5 images per '
        f'second. {OFF}'))
    image_rate_error: float = Field(0.5, ge=0, le=1000, description=(
        f'Fewer images per second than this cause an error. {OFF}'))
    drops_warn: float = Field(0.05, ge=0, le=1, description=(
        f'A queue that drops this share of its messages causes a warning. {OFF}'))
    drops_error: float = Field(0.5, ge=0, le=1, description=(
        f'A queue that drops this share of its messages causes an error. {OFF}'))
    gaps_warn: float = Field(1.0, ge=0, le=10_000, description=(
        'This many gaps in the audio, or losses of utterance parts, within health.window_s cause '
        f'a warning. {OFF}'))
    gaps_error: float = Field(10.0, ge=0, le=10_000, description=(
        'This many gaps in the audio, or losses of utterance parts, within health.window_s cause '
        f'an error. {OFF}'))
    skew_warn_s: float = Field(0.5, ge=0, le=3600, description=(
        'Images and audio whose stamps differ by this many seconds when they arrive together '
        f'cause a warning. {OFF}'))
    skew_error_s: float = Field(2.0, ge=0, le=3600, description=(
        'Images and audio whose stamps differ by this many seconds when they arrive together '
        f'cause an error. {OFF}'))
    latency_warn_s: float = Field(1.0, ge=0, le=3600, description=(
        'Final estimates whose 95th percentile of latency reaches this many seconds, or utterance '
        f'parts that are on the way as long, cause a warning. {OFF}'))
    latency_error_s: float = Field(5.0, ge=0, le=3600, description=(
        'Final estimates whose 95th percentile of latency reaches this many seconds, or utterance '
        f'parts that are on the way as long, cause an error. {OFF}'))
    memory_warn_mb: float = Field(0.0, ge=0, le=1e6, description=(
        f'A process with this many MB of resident memory causes a warning. {OFF}'))
    memory_error_mb: float = Field(0.0, ge=0, le=1e6, description=(
        f'A process with this many MB of resident memory causes an error. {OFF}'))


class NodeSettings(BaseModel):
    """All parameters of the nodes `emotion`, `segmenter` and `estimator`."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    autostart: bool = setting(NODE, True, (
        'The node configures and activates itself when the process starts.'),
        read_only=True, launch=True)
    bundle: str = setting(NODE, DEFAULT_BUNDLE, (
        'The model bundle is given by its folder or by its name, which is looked up in the '
        'folders of MMER_BUNDLE_PATH and then in the package.'), replayed=True, launch=True)
    bundle_folders: str = setting(NODE, '', (
        'Bundles are loaded only from below these folders (with : between them), those of '
        'MMER_BUNDLE_PATH and the package. If it is empty, they are loaded from any folder.'),
        read_only=True)
    device: str = setting(NODE, 'cpu', (
        "The networks run on this device: 'cpu', 'cuda', or 'cuda:1' for the second GPU."),
        pattern=r'^(cpu|cuda|mps|xpu)(:\d+)?$', form='cpu, cuda or cuda:N',
        replayed=True, launch=True)
    engine: str = setting(NODE, 'auto', (
        "What runs the networks: 'onnx' (ONNX Runtime, on CPUs), 'torch', or 'auto': onnx where "
        'the device is a CPU and the bundle has graphs, else torch.'), choices=ENGINES,
        replayed=True, launch=True)
    threads: int = setting(NODE, 1, (
        'The networks use this many CPU threads; 0 leaves the number to the engine.'),
        ge=0, le=256, replayed=True)

    image_topic: str = setting(CAMERA, 'image', (
        'Images (sensor_msgs/Image or CompressedImage) are read from this topic. Leave it empty '
        'if there is no camera.'), replayed=True, launch=True)
    image_transport: str = setting(CAMERA, '', (
        "With 'raw', the node subscribes to sensor_msgs/Image on image_topic; with 'compressed', "
        'to sensor_msgs/CompressedImage on image_topic/compressed. If it is empty, the node takes '
        'what is published, raw before compressed.'),
        choices=TRANSPORTS, replayed=True, launch=True)
    image_reliability: str = setting(CAMERA, 'best_effort', (
        "With 'best_effort', the node receives from every image publisher. With 'reliable', no "
        'image is lost on the way, but only reliable publishers match.'), choices=RELIABILITIES)
    image_depth: int = setting(CAMERA, 5, (
        'The middleware keeps up to this many images until the node takes them.'),
        ge=1, le=10_000)
    image_queue: int = setting(CAMERA, 3, (
        'Up to this many images wait for face detection; the oldest are dropped.'),
        ge=1, le=1000)
    max_image_megapixels: float = setting(CAMERA, MAX_PIXELS / MEGA, (
        'Images with more million pixels than this are refused before memory is taken for them.'),
        ge=0.01, le=150, replayed=True)
    debug_image: bool = setting(CAMERA, False, (
        'The node offers ~/debug_image, the camera image with the faces, the speaker and the '
        'latest estimate drawn on it. It is published while somebody subscribes.'), launch=True)

    audio_topic: str = setting(MICROPHONE, 'audio', (
        'Audio is read from this topic. Leave it empty if there is no microphone.'),
        replayed=True, launch=True)
    audio_type: str = setting(MICROPHONE, '', (
        'The node subscribes to audio_topic with this message type, for example '
        'mmer_msgs/msg/AudioChunk. If it is empty, the type is detected from the first '
        'publisher.'), pattern=r'^(\w+(/\w+){1,2})?$',
        form='a message type such as mmer_msgs/msg/AudioChunk, or nothing to detect it')
    audio_reliability: str = setting(MICROPHONE, 'best_effort', (
        "With 'best_effort', the node receives from every audio publisher. With 'reliable', no "
        'chunk is lost on the way, but only reliable publishers match.'), choices=RELIABILITIES)
    audio_depth: int = setting(MICROPHONE, 100, (
        'The middleware keeps up to this many audio chunks until the node takes them.'),
        ge=1, le=10_000)
    audio_queue: int = setting(MICROPHONE, 100, (
        'Up to this many audio chunks wait to be processed; the oldest are dropped.'),
        ge=1, le=10_000)
    audio_rate: int = setting(MICROPHONE, 16_000, (
        'Raw audio has this sample rate in Hz, unless its messages or an AudioInfo give another.'),
        ge=8_000, le=192_000, replayed=True)
    audio_channels: int = setting(MICROPHONE, 1, (
        'Raw audio has this many interleaved channels, unless its messages or an AudioInfo give '
        'another number.'), ge=1, le=32, replayed=True)
    audio_format: str = setting(MICROPHONE, 'S16LE', (
        'Raw audio has this sample format, by its GStreamer name, unless its messages or an '
        'AudioInfo give another.'), choices=SAMPLE_FORMATS, replayed=True)
    audio_info_topic: str = setting(MICROPHONE, 'audio_info', (
        'The audio_common_msgs/AudioInfo that goes with AudioData is read from this topic. Leave '
        'it empty if there is none.'))

    stamps: str = setting(CLOCKS, AUTO, (
        "With 'auto', camera and microphone are matched by the stamps of their messages; a "
        'constant offset between stamps and times of arrival is compensated and logged if camera '
        "and microphone differ in it. With 'header', stamps are used as they are. With 'arrival', "
        'they are ignored, and the times of arrival count.'), choices=STAMPS, replayed=True)

    transcript_topic: str = setting(TRANSCRIPTS, 'transcript', (
        'Words are read from this topic. Leave it empty if there is no speech recogniser.'),
        replayed=True, launch=True)
    transcript_type: str = setting(TRANSCRIPTS, '', (
        'The node subscribes to transcript_topic with this message type, for example '
        'std_msgs/msg/String. If it is empty, the type is detected from the first publisher.'),
        pattern=r'^(\w+(/\w+){1,2})?$',
        form='a message type such as std_msgs/msg/String, or nothing to detect it')
    transcript_reliability: str = setting(TRANSCRIPTS, 'reliable', (
        "With 'reliable', no transcript is lost on the way, but only reliable publishers match. "
        "With 'best_effort', the node receives from every transcript publisher."),
        choices=RELIABILITIES)
    transcript_depth: int = setting(TRANSCRIPTS, 10, (
        'The middleware keeps up to this many transcripts until the node takes them.'),
        ge=1, le=10_000)

    ros4hri: bool = setting(HUMANS, False, (
        'The node takes detected faces from /humans/faces instead of images from image_topic.'),
        launch=True)
    ros4hri_voices: bool = setting(HUMANS, True, (
        'If ros4hri is true, the node takes audio, voice activity and words from /humans/voices '
        'instead of audio_topic and transcript_topic.'))

    own_speaking_topic: str = setting(OWN_VOICE, '', (
        'Whether the robot itself speaks (std_msgs/Bool) is read from this topic. Meanwhile, and '
        'for segmenter.own_speech_tail_s, its microphone is muted for recognition. Leave it empty '
        'if the microphone does not pick up the robot.'), replayed=True)
    own_speech_topic: str = setting(OWN_VOICE, '', (
        'The words that the robot says (types as on transcript_topic) are read from this topic. '
        'They join the history of the dialogue, for bundles that read it, and get no estimates. '
        'The segmenter leaves them out.'),
        replayed=True)

    bundle_hash: str = setting(ESTIMATES, '', (
        'A bundle with another content hash is refused. Leave it empty to accept any bundle.'),
        replayed=True)
    prior: str = setting(ESTIMATES, ROBOT, (
        "Probabilities are corrected for how common each emotion is where the robot works: 'talk' "
        "(29 % neutral), 'meld' (of a comedy, 47 % neutral), 'flat' (all equally common), "
        'or seven numbers in label order. If it is empty, they hold for the shares on which the '
        'bundle was calibrated.'),
        form='talk, meld, flat, or seven numbers > 0 in label order', replayed=True, launch=True)
    adapt_to_voices: bool = setting(ESTIMATES, True, (
        'What is normal for a voice, the mean over its utterances so far, is subtracted, if the '
        'bundle is made for it.'), replayed=True)
    emotion_topic: str = setting(ESTIMATES, 'emotion', (
        'Estimates (mmer_msgs/EmotionEstimate) are published on this topic.'),
        replayed=True, launch=True)
    publish_transcript: bool = setting(ESTIMATES, False, (
        'The published estimates contain the words of the utterance.'), live=True, replayed=True)
    partial_rate: float = setting(ESTIMATES, 1.0, (
        'While somebody speaks, this many partial estimates are published per second of capture '
        'time; 0 publishes none before the final one, no provisional one either.'),
        ge=0, le=10, live=True, replayed=True)
    publish_expressions: bool = setting(ESTIMATES, True, (
        'If hri_msgs is installed, hri_msgs/Expression is published below /humans for each face '
        'and person.'))

    people_rate: float = setting(PEOPLE, 1.0, (
        'The expressions of all faces in view, whether they speak or not, are published on '
        '~/people this many times per second of capture time; 0 publishes none. They are computed '
        'only while the topic or ~/debug_image has a subscriber, or publish_expressions takes '
        'them.'),
        ge=0, le=10, live=True, replayed=True)

    source: str = setting(ROBOT_NAME, '', (
        'The estimator publishes the estimates of this robot below this namespace. If it is '
        'empty, the namespace of the node is used.'), pattern=(
            r'^/?([A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*)?/?$'),
        form='a namespace of letters, digits and _, with / in between', launch=True)
    parts_topic: str = setting(PARTS, '/utterance_parts', (
        'Utterance parts (mmer_msgs/UtterancePart) go from the segmenters to the estimator on '
        'this topic.'), launch=True)
    parts_depth: int = setting(PARTS, 100, (
        'The middleware keeps up to this many utterance parts until they are received, and for an '
        'estimator that is started again.'),
        ge=1, le=10_000)
    parts_queue: int = setting(BATCHES, 1000, (
        'Up to this many utterance parts wait to be processed; the oldest are dropped.'),
        ge=1, le=100_000)
    parts_wait_s: float = setting(BATCHES, 5.0, (
        'An utterance ends when no part of it has arrived for this many seconds. Keep it longer '
        'than segmenter.transcript_wait_s.'), ge=0.5, le=60)
    batch: int = setting(BATCHES, 0, (
        'Up to this many utterances are processed together. 0 stands for 1 on a CPU, which gives '
        'bit for bit the answers of a single process, and for 16 on other devices.'),
        ge=0, le=256)
    sources: str = setting(BATCHES, '', (
        'The estimator serves only these robots, given by their source; * stands for any '
        'characters, and a comma lies between two, as in kitchen,floor1/*. Give each of several '
        'estimators its own. If it is empty, all robots are served.'), launch=True)

    segmenter: SegmenterConfig = setting(SEGMENTATION, SegmenterConfig(), replayed=True)
    health: HealthLimits = setting(HEALTH, HealthLimits(), live=True)

    @field_validator('*')
    @classmethod
    def _check_choice(cls, value: Any, info: ValidationInfo) -> Any:
        choices = _extra(cls.model_fields[str(info.field_name)])['choices']
        if choices and value not in choices:
            raise ValueError('not one of the choices')
        return value

    @field_validator('prior')
    @classmethod
    def _check_prior(cls, value: str) -> str:
        read_prior(value)
        return value

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> NodeSettings:
        """
        Return settings from parameters by their dotted names; the others keep their defaults.

        >>> NodeSettings.from_parameters({'segmenter.stall_s': 2.0}).segmenter.stall_s
        2.0

        :raises InvalidInput: naming each parameter that is wrong, and what was expected.
        """
        nested: dict[str, Any] = {}
        for name, value in values.items():
            *path, last = name.split('.')
            inner = nested
            for key in path:
                inner = inner.setdefault(key, {})
            inner[last] = value
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            known = parameters(cls)
            raise InvalidInput('; '.join(
                _problem(known, '.'.join(map(str, wrong['loc'])), wrong)
                for wrong in error.errors())) from error

    @property
    def hears_voices(self) -> bool:
        """Whether speech comes from /humans/voices instead of the microphone."""
        return self.ros4hri and self.ros4hri_voices

    @property
    def raw_audio(self) -> AudioFormat:
        """Format of audio whose messages do not name it."""
        return AudioFormat(self.audio_rate, self.audio_channels, self.audio_format)

    @property
    def max_pixels(self) -> int:
        """Pixels that an image may have."""
        return round(MEGA * self.max_image_megapixels)

    @property
    def image_topics(self) -> tuple[str, ...]:
        """Topics that may carry the images, the first choice first."""
        if self.image_topic.endswith('/compressed') or self.image_transport == 'raw':
            return (self.image_topic,)
        compressed = f'{self.image_topic}/compressed'
        if self.image_transport == 'compressed':
            return (compressed,)
        return (self.image_topic, compressed)

    def require_input(self) -> None:
        """
        Check that there is an input at all.

        :raises InvalidInput: if no topic is named.
        """
        if not (self.ros4hri or self.image_topic or self.audio_topic or self.transcript_topic):
            raise InvalidInput('parameters image_topic, audio_topic and transcript_topic are all '
                               'empty; name at least one topic')


@dataclass(frozen=True)
class Parameter:
    """
    A parameter as it was declared.

    :param name: with its groups, e.g. 'segmenter.speech.vad.threshold'.
    :param kind: bool, int, float or str.
    :param minimum: of a number, included; `maximum` is the largest.
    """

    name: str
    kind: type
    default: Any
    description: str
    section: Section
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    form: str = ''
    live: bool = False
    read_only: bool = False
    replayed: bool = False
    launch: bool = False

    @property
    def expected(self) -> str:
        """What values it may have, for people."""
        if self.choices:
            return f'one of {", ".join(choice or "empty" for choice in self.choices)}'
        if self.kind is bool:
            return 'true or false'
        if self.kind is str:
            return self.form or 'text'
        noun = 'an integer' if self.kind is int else 'a number'
        return f'{noun} from {self.minimum:.9g} to {self.maximum:.9g}'


def parameters(model: type[BaseModel] = NodeSettings, *, node: str = '') -> dict[str, Parameter]:
    """
    Return the declared parameters by name, in the order of their sections.

    :param node: only those that this node has; '' stands for all.
    """
    found = [parameter for name, info in model.model_fields.items()
             for parameter in _flatten(name, info, _extra(info))]
    found.sort(key=lambda parameter: SECTIONS.index(parameter.section))
    return {parameter.name: parameter for parameter in found
            if not node or node in parameter.section.nodes}


def unknown_parameter(name: str, known: Iterable[str]) -> str:
    """
    Return a warning about a parameter without effect; '' if it is known or ROS has declared it.

    >>> unknown_parameter('partial_rat', ['bundle', 'partial_rate'])
    'parameter partial_rat is unknown and has no effect; did you mean partial_rate?'
    """
    known = list(known)
    if name in known or name in STANDARD or name.startswith(STANDARD_GROUP):
        return ''
    near = [full for full in known if full.endswith(f'.{name}')] or (
        get_close_matches(name, known, 1))
    hint = f'; did you mean {near[0]}?' if near else ''
    return f'parameter {name} is unknown and has no effect{hint}'


def _extra(info: FieldInfo) -> dict[str, Any]:
    return cast('dict[str, Any]', info.json_schema_extra)


def _flatten(name: str, info: FieldInfo, extra: Mapping[str, Any]) -> list[Parameter]:
    """Return a field as parameters: itself, or the fields of the group that it is."""
    kind: Any = info.annotation
    if issubclass(kind, BaseModel):
        return [parameter for inner, inner_info in kind.model_fields.items()
                for parameter in _flatten(f'{name}.{inner}', inner_info, extra)]
    section = next(s for s in SECTIONS if s.title == extra['section'])
    low, high = _bounds(info)
    return [Parameter(
        name, kind, kind(info.default), info.description or '', section, low, high,
        tuple(extra['choices']), extra['form'], extra['live'], extra['read_only'],
        extra['replayed'], extra['launch'])]


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Return the least and the largest value of a number; an excluded bound moves by 1e-6."""
    low = high = None
    for constraint in info.metadata:
        if isinstance(constraint, annotated_types.Ge):
            low = cast(float, constraint.ge)
        elif isinstance(constraint, annotated_types.Gt):
            low = cast(float, constraint.gt) + 1e-6
        elif isinstance(constraint, annotated_types.Le):
            high = cast(float, constraint.le)
        elif isinstance(constraint, annotated_types.Lt):
            high = cast(float, constraint.lt) - 1e-6
    return low, high


def _problem(known: Mapping[str, Parameter], name: str, wrong: Mapping[str, Any]) -> str:
    """Return what is wrong with a parameter, for people."""
    if name not in known:
        return unknown_parameter(name, known)
    return f'parameter {name} is {wrong["input"]!r}; expected {known[name].expected}'
