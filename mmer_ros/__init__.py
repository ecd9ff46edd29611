# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Multimodal emotion recognition for human-robot interaction.

The names below are the public interface; every other module is internal and may move. They are
imported when they are first used, so that `import mmer_ros` is quick and loads no torch::

    >>> import mmer_ros
    >>> mmer_ros.EMOTIONS
    ('neutral', 'surprise', 'fear', 'sadness', 'joy', 'disgust', 'anger')
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from mmer_ros.recognition.bundle import BundleError
    from mmer_ros.recognition.pipeline import Pipeline
    from mmer_ros.recordings.recognizer import FileResult, Recognizer
    from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
    from mmer_ros.types import (
        AudioBlock,
        EMOTIONS,
        Estimate,
        InvalidInput,
        Transcript,
        Utterance,
        VideoFrame,
    )

__version__ = '0.1.0'
__all__ = ['AudioBlock', 'BundleError', 'EMOTIONS', 'Estimate', 'FileResult', 'InvalidInput',
           'Pipeline', 'Recognizer', 'SegmenterConfig', 'Transcript', 'Utterance', 'VideoFrame',
           '__version__']

_HOME = {
    'BundleError': 'recognition.bundle', 'Pipeline': 'recognition.pipeline',
    'FileResult': 'recordings.recognizer', 'Recognizer': 'recordings.recognizer',
    'SegmenterConfig': 'sensing.utterance_segmenter',
} | dict.fromkeys(('AudioBlock', 'EMOTIONS', 'Estimate', 'InvalidInput', 'Transcript',
                   'Utterance', 'VideoFrame'), 'types')


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}; its public names '
                             f'are {", ".join(__all__)}')
    value = getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
