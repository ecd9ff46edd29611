# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Words in messages of several packages, found by field; needs no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.types import InvalidInput

TEXT_FIELDS = ('text', 'transcript', 'data')
LANGUAGE_FIELDS = ('locale', 'language')  # of hri_msgs/LiveSpeech, of Humble's and of others
TEXT_TYPES = ('string', 'sequence<string>')


@dataclass(frozen=True)
class Words:
    """
    What a speech recogniser says.

    :param final: False for a hypothesis that a later message replaces.
    :param language: e.g. 'en' or 'en_US'; '' if the message does not name it.
    """

    text: str
    final: bool = True
    language: str = ''


def is_transcript(fields: Mapping[str, str]) -> bool:
    """
    Return whether `to_words` takes messages with these fields.

    :param fields: name -> type, as rosidl's get_fields_and_field_types returns them.
    """
    return {'incremental', 'final'} <= fields.keys() or any(
        fields.get(name) in TEXT_TYPES for name in TEXT_FIELDS)


def to_words(message: Any) -> Words:
    """
    Return the words of a message.

    :param message: a hri_msgs/LiveSpeech; or any with text, transcript or data, a string or
        strings of which the first is the best, and perhaps is_final; as std_msgs/String,
        whisper_msgs/Transcription, speech_recognition_msgs/SpeechRecognitionCandidates.
    :raises InvalidInput: if there are no such fields.
    """
    language = next((found for name in LANGUAGE_FIELDS
                     if isinstance(found := getattr(message, name, None), str) and found), '')
    if hasattr(message, 'incremental') and hasattr(message, 'final'):
        if message.final:
            return Words(message.final, language=language)
        return Words(message.incremental, final=False, language=language)
    for name in TEXT_FIELDS:
        found = getattr(message, name, None)
        if isinstance(found, (list, tuple)):
            found = next(iter(found), '')
        if isinstance(found, str):
            return Words(found, bool(getattr(message, 'is_final', True)), language)
    raise InvalidInput(f'transcript: {type(message).__name__} has no words; expected a field '
                       f'{", ".join(TEXT_FIELDS)} with a string')
