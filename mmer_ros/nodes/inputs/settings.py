"""The parameters of the inputs, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmer_ros.interfaces.audio import AudioFormat, SAMPLE_FORMATS
from mmer_ros.nodes.inputs.topic_input import RELIABILITIES
from mmer_ros.types import InvalidInput

Value = Callable[[str], Any]  # name of a parameter -> its value
TOPICS = ('image_topic', 'audio_topic', 'transcript_topic')
CHOICES: dict[str, tuple[str, ...]] = {
    'image_transport': ('', 'raw', 'compressed'),
    'image_reliability': tuple(RELIABILITIES),
    'audio_reliability': tuple(RELIABILITIES),
    'transcript_reliability': tuple(RELIABILITIES),
    'audio_format': tuple(SAMPLE_FORMATS),
}


def check(value: Value) -> None:
    """
    Check the parameters of the inputs.

    :raises InvalidInput: naming the parameter that is wrong.
    """
    for name, choices in CHOICES.items():
        if value(name) not in choices:
            raise InvalidInput(f'parameter {name} is {value(name)!r}; expected one of '
                               f'{", ".join(choice or repr(choice) for choice in choices)}')
    for name in ('audio_type', 'transcript_type'):
        if value(name) and value(name).count('/') not in (1, 2):
            raise InvalidInput(f'parameter {name} is {value(name)!r}; expected a type as '
                               'std_msgs/msg/String, or an empty one to find it')
    if not value('ros4hri') and not any(map(value, TOPICS)):
        raise InvalidInput('parameters image_topic, audio_topic and transcript_topic are all '
                           'empty; name at least one topic')


def hears_voices(value: Value) -> bool:
    """Tell whether speech is taken from /humans/voices instead of the microphone."""
    return bool(value('ros4hri') and value('ros4hri_voices'))


def audio_format(value: Value) -> AudioFormat:
    """Return how raw audio is to be read where the messages do not tell."""
    return AudioFormat(value('audio_rate'), value('audio_channels'), value('audio_format'))


def image_topics(value: Value) -> tuple[str, ...]:
    """Return where images may be, the first choice first."""
    topic, transport = value('image_topic'), value('image_transport')
    if topic.endswith('/compressed') or transport == 'raw':
        return (topic,)
    compressed = f'{topic}/compressed'
    return (compressed,) if transport == 'compressed' else (topic, compressed)
