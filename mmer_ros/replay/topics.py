# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The choice of the topics that hold images, audio and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import re

from mmer_ros.interfaces.audio import AudioFormat, CodedAudio, to_block
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from mmer_ros.replay.options import KINDS, OWN_KINDS
from mmer_ros.types import InvalidInput

COMMON = 'audio_common_msgs/msg'
TYPES = {  # the best first
    'image': (COMPRESSED_IMAGE, IMAGE),
    'audio': (AUDIO, f'{COMMON}/AudioStamped', f'{COMMON}/AudioDataStamped', f'{COMMON}/Audio',
              f'{COMMON}/AudioData'),
    'transcript': (TRANSCRIPT, 'hri_msgs/msg/LiveSpeech', 'whisper_msgs/msg/Transcription')}
ONLY_IF_NAMED = {  # these may be anything
    'audio': ('std_msgs/msg/Int16MultiArray',), 'own_speaking': ('std_msgs/msg/Bool',),
    'own_speech': TYPES['transcript']}
AUDIO_INFO = f'{COMMON}/AudioInfo'
LIKE = {  # types of other packages that hold the same, e.g. foxglove_msgs/msg/CompressedImage
    'image': re.compile('image$|video|theora|ffmpeg', re.IGNORECASE),
    'audio': re.compile('audio(?!.*info)|microphone', re.IGNORECASE),
    'transcript': re.compile('transcript|speech|utterance', re.IGNORECASE)}


@dataclass(frozen=True)
class Topics:
    """
    The topics that are replayed.

    :param kinds: topic -> one of options.KINDS.
    :param notices: choices that the user should know.
    :param faults: topics that were asked for or would help, but cannot be replayed.
    :param audio_format: of audio whose messages do not name it.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    audio_format: AudioFormat = AudioFormat()

    @property
    def by_kind(self) -> dict[str, str]:
        """Kind -> topic."""
        return {kind: topic for topic, kind in self.kinds.items()}


def choose_topics(recording: Recording, wanted: Mapping[str, str],
                  audio_format: AudioFormat | None = None) -> Topics:
    """
    Find the topics to replay.

    :param wanted: kind -> topic; '' leaves a kind out; what is not named is found by type.
    :param audio_format: of raw audio, unless the recording holds an AudioInfo; None: as the
        node's default.
    :raises InvalidInput: if there is nothing to replay.
    """
    if unknown := set(wanted) - set(KINDS):
        raise InvalidInput(f'topics: {", ".join(sorted(unknown))}; expected {", ".join(KINDS)}')
    counts = recording.counts
    if not any(counts.values()):
        raise InvalidInput(f'recording {recording.path}: it holds no messages')
    chosen = Topics(audio_format=_recorded_format(recording) or (
        audio_format or AudioFormat()))
    for kind in KINDS:
        topic = wanted.get(kind)
        if topic == '' or (topic is None and kind in OWN_KINDS):
            continue
        found = _named(recording, kind, topic, chosen) if topic else (
            _first(recording, kind, chosen))
        if found and not (kind == 'audio' and _coded(recording, found, chosen)):
            chosen.kinds[found] = kind
        if not topic:
            (chosen.notices if found else chosen.faults).extend(_unread(recording, kind))
    if not chosen.kinds:
        there = ', '.join(f'{topic} ({recording.topics[topic]}, {count})'
                          for topic, count in counts.items())
        raise InvalidInput(f'recording {recording.path}: no topic to replay '
                           f'{"; ".join(["was found", *chosen.faults])}. It holds {there}; '
                           f'expected {", ".join(t for types in TYPES.values() for t in types)}')
    return chosen


def _of_type(recording: Recording, kind: str) -> list[str]:
    """Return the topics with messages of a kind, the best choice first."""
    counts, topics = recording.counts, recording.topics
    found = [topic for expected in TYPES.get(kind, ONLY_IF_NAMED.get(kind, ()))
             for topic in topics
             if topics[topic] == expected and counts[topic]]
    return sorted(found, key=lambda topic: 'depth' in topic.lower())  # faces need colour


def _named(recording: Recording, kind: str, topic: str, chosen: Topics) -> str:
    expected = TYPES.get(kind, ()) + ONLY_IF_NAMED.get(kind, ())
    if topic not in recording.topics and kind == 'image':
        topic = f'{topic}/compressed' if f'{topic}/compressed' in recording.topics else topic
    if recording.topics.get(topic) in expected and recording.counts[topic]:
        return topic
    others = _of_type(recording, kind)
    hint = f'; there is {", ".join(others)}: --topics {kind}={others[0]}' if others else ''
    if topic not in recording.topics:
        problem = 'it is not in the recording'
    elif recording.topics[topic] not in expected:
        problem = f'it is {recording.topics[topic]}; expected {" or ".join(expected)}'
    else:
        problem = 'it holds no messages'
    chosen.faults.append(f'{kind}: topic {topic}: {problem}{hint}')
    return ''


def _first(recording: Recording, kind: str, chosen: Topics) -> str:
    found = _of_type(recording, kind)
    if len(found) > 1:
        chosen.notices.append(
            f'{kind}: {found[0]} is used; there is also {", ".join(found[1:])}: '
            f'--topics {kind}={found[1]}')
    return found[0] if found else ''


def _unread(recording: Recording, kind: str) -> list[str]:
    """Name topics that may hold what is missing, in messages of types that are not read."""
    counts, topics = recording.counts, recording.topics
    known = {AUDIO_INFO, *(name for types in TYPES.values() for name in types)}
    like = [topic for topic, name in topics.items() if counts[topic] and name not in known
            and LIKE[kind].search(name) and not name.startswith('mmer_msgs/')]
    return [f'{kind}: {topic} holds {counts[topic]} messages of {topics[topic]}, which are not '
            f'read; record {" or ".join(TYPES[kind][:2])}' for topic in like]


def _recorded_format(recording: Recording) -> AudioFormat | None:
    """Return the format in the first AudioInfo of the recording; None if there is none."""
    topic = recording.topic_of(AUDIO_INFO)
    try:
        recorded = next(recording.messages({topic}), None) if topic else None
        return AudioFormat.of(recording.decode(recorded)) if recorded else None
    except (InvalidInput, AttributeError):
        return None


def _coded(recording: Recording, topic: str, chosen: Topics) -> bool:
    """Return whether audio is compressed, as its first message shows, and record it."""
    try:
        recorded = next(recording.messages({topic}), None)
        if recorded is not None:
            to_block(recording.decode(recorded), 0.0, chosen.audio_format)
    except CodedAudio as error:
        chosen.faults.append(f'{error} ({topic})')
        return True
    except InvalidInput:  # the replay reports it
        pass
    return False
