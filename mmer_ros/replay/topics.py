"""Which topics of a recording hold the images, the audio and the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmer_ros.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from mmer_ros.replay.options import KINDS
from mmer_ros.types import InvalidInput

TYPES = {'image': (COMPRESSED_IMAGE, IMAGE), 'audio': (AUDIO,), 'transcript': (TRANSCRIPT,)}
FOREIGN_AUDIO = 'audio_common_msgs/msg/'


@dataclass(frozen=True)
class Topics:
    """
    The topics that are replayed.

    :param kinds: topic -> image, audio or transcript.
    :param notices: choices that a person should know.
    :param faults: what was asked for or would be of use, but cannot be replayed.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[str, str]:
        """Kind -> topic."""
        return {kind: topic for topic, kind in self.kinds.items()}


def choose_topics(recording: Recording, wanted: Mapping[str, str]) -> Topics:
    """
    Find the topics to replay.

    :param wanted: kind -> topic; '' leaves a kind out; what is not named is found by type.
    :raises InvalidInput: if there is nothing to replay.
    """
    if unknown := set(wanted) - set(KINDS):
        raise InvalidInput(f'topics: {", ".join(sorted(unknown))}; expected {", ".join(KINDS)}')
    counts = recording.counts
    if not any(counts.values()):
        raise InvalidInput(f'recording {recording.path}: it holds no messages')
    chosen = Topics()
    for kind in KINDS:
        topic = wanted.get(kind)
        if topic == '':
            continue
        found = _named(recording, kind, topic, chosen) if topic else (
            _first(recording, kind, chosen))
        if found:
            chosen.kinds[found] = kind
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
    found = [topic for expected in TYPES[kind] for topic in topics
             if topics[topic] == expected and counts[topic]]
    return sorted(found, key=lambda topic: 'depth' in topic.lower())  # faces need colour


def _named(recording: Recording, kind: str, topic: str, chosen: Topics) -> str:
    if recording.topics.get(topic) in TYPES[kind] and recording.counts[topic]:
        return topic
    others = _of_type(recording, kind)
    hint = f'; there is {", ".join(others)}: --topics {kind}={others[0]}' if others else ''
    if topic not in recording.topics:
        problem = 'it is not in the recording'
    elif recording.topics[topic] not in TYPES[kind]:
        problem = f'it is {recording.topics[topic]}; expected {" or ".join(TYPES[kind])}'
    else:
        problem = 'it holds no messages'
    chosen.faults.append(f'{kind}: topic {topic}: {problem}{hint}')
    return ''


def _first(recording: Recording, kind: str, chosen: Topics) -> str:
    found = _of_type(recording, kind)
    if not found:
        if kind == 'audio' and (foreign := _foreign_audio(recording)):
            chosen.faults.append(foreign)
        return ''
    if len(found) > 1:
        chosen.notices.append(
            f'{kind}: {found[0]} is used; there is also {", ".join(found[1:])}: '
            f'--topics {kind}={found[1]}')
    return found[0]


def _foreign_audio(recording: Recording) -> str:
    """Tell about audio that is there, but of a type that the node does not take."""
    topics = [t for t, kind in recording.topics.items() if kind.startswith(FOREIGN_AUDIO)]
    if not topics:
        return ''
    names = ', '.join(f'{topic} ({recording.topics[topic]})' for topic in topics)
    coding = next((found for topic in topics if (found := _coding(recording, topic))), '')
    what = f'{coding} audio' if coding else 'audio'
    return (f'audio: {what} of another type on {names} is not read; the node takes {AUDIO}, '
            'uncompressed 16-bit. Record that, e.g. from audio_capture with format:=wave')


def _coding(recording: Recording, topic: str) -> str:
    """Return e.g. 'mp3', as an AudioInfo or the data themselves tell; '' if they do not."""
    recorded = next(recording.messages({topic}), None)
    if recorded is None:
        return ''
    try:
        message = recording.decode(recorded)
    except InvalidInput:
        return ''
    named: Any = getattr(message, 'coding_format', '')
    inner = getattr(message, 'audio', message)
    data = bytes(getattr(inner, 'data', b'')[:3])
    is_mp3 = data == b'ID3' or (len(data) > 1 and data[0] == 0xff and data[1] & 0xe0 == 0xe0)
    return str(named) or ('mp3' if is_mp3 else '')
