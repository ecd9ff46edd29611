# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Words from a speech recogniser on this computer (the extra `asr`): an utterance's audio in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmer_ros.registry import Registry
from mmer_ros.types import (
    Int16,
    InvalidInput,
    MAX_TEXT_CHARS,
    SAMPLE_RATE,
    Transcript,
    UtterancePart,
)
import numpy as np

NEEDED = ('faster-whisper is not installed; '
          "pip install 'mmer_ros[asr]', or leave out --transcribe")
CONVERT = ('ct2-transformers-converter --model {path} --output_dir {path}-ct2 '
           '--copy_files tokenizer.json preprocessor_config.json')
MIN_S = 0.2  # shorter audio holds no word
FIRST_TOKENS, TOKENS_PER_S = 20, 10  # more are not words, but one sound over and over
MAX_COMPRESSION = 2.4  # by gzip, as in Whisper: what compresses better repeats itself


@dataclass(frozen=True)
class AsrOptions:
    """
    How the words are recognised.

    :param model: folder of a model, or a name such as 'base.en'.
    :param language: e.g. 'en'; '' to detect it in each utterance.
    :param download: fetch a model that is not on this computer.
    :param threads: of the CPU; 0: as many as it has cores.
    """

    model: str
    language: str = ''
    download: bool = False
    threads: int = 0


class SpeechRecognizer(Protocol):
    """Turns speech into words."""

    def transcribe(self, audio: Int16) -> tuple[str, str]:
        """
        Return the words, '' for none, and their language, '' if not known.

        :param audio: (samples,) int16, 16 kHz mono, of one utterance.
        """


Factory = Callable[[AsrOptions], SpeechRecognizer]
SPEECH_RECOGNIZERS = Registry[Factory]('speech recogniser')
DEFAULT = 'faster-whisper'


def load_speech_recognizer(options: AsrOptions) -> SpeechRecognizer:
    """
    Load a speech recogniser.

    >>> words, language = load_speech_recognizer(AsrOptions('models/base.en')).transcribe(audio)
    >>> words
    'I got the job!'

    A model 'NAME:MODEL' is loaded by the recogniser that is registered as NAME.

    :raises InvalidInput: if it is not installed, or the model is not there.
    """
    name, colon, model = options.model.partition(':')
    if colon and name in SPEECH_RECOGNIZERS.names():
        return SPEECH_RECOGNIZERS.find(name)(
            AsrOptions(model, options.language, options.download, options.threads))
    return SPEECH_RECOGNIZERS.find(DEFAULT)(options)


class FasterWhisper:
    """Whisper by CTranslate2, 8 bit integers on the CPU."""

    def __init__(self, options: AsrOptions) -> None:
        """
        Load the model.

        :raises InvalidInput: as load_speech_recognizer.
        """
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise InvalidInput(f'--transcribe {options.model}: {NEEDED}') from error
        folder = Path(options.model)
        if folder.is_dir():
            _check_folder(folder)
        try:
            self._model = WhisperModel(
                options.model, device='cpu', compute_type='int8', cpu_threads=options.threads,
                local_files_only=not options.download)
        except Exception as error:  # of the hub, of CTranslate2, of names that are unknown
            raise InvalidInput(_why(options, folder, error)) from error
        self._language = options.language or None

    def transcribe(self, audio: Int16) -> tuple[str, str]:
        """Return the words and their language."""
        if len(audio) < MIN_S * SAMPLE_RATE:
            return '', ''
        most = FIRST_TOKENS + round(TOKENS_PER_S * len(audio) / SAMPLE_RATE)
        segments, info = self._model.transcribe(
            audio.astype(np.float32) / 32_768, language=self._language, beam_size=1,
            temperature=0.0, condition_on_previous_text=False, without_timestamps=True,
            max_new_tokens=most)
        text = ' '.join(segment.text.strip() for segment in segments
                        if segment.compression_ratio <= MAX_COMPRESSION)
        return text[-MAX_TEXT_CHARS:], str(info.language)


SPEECH_RECOGNIZERS.add(DEFAULT, FasterWhisper)


def _check_folder(folder: Path) -> None:
    """
    Check that a folder holds all of a model, or a tokenizer would be downloaded.

    :raises InvalidInput: if not, with how to convert a model of another format.
    """
    missing = [name for name in ('model.bin', 'tokenizer.json') if not (folder / name).is_file()]
    if not missing:
        return
    text = f'--transcribe {folder}: it holds no {" and no ".join(missing)}; expected a Whisper ' \
        'model of CTranslate2'
    if any((folder / name).is_file() for name in ('model.safetensors', 'pytorch_model.bin')):
        text += f'. Convert it: {CONVERT.format(path=folder)}'
    raise InvalidInput(text)


def _why(options: AsrOptions, folder: Path, error: Exception) -> str:
    if folder.is_dir():
        return (f'--transcribe {folder}: the model cannot be loaded ({type(error).__name__}); '
                'expected a Whisper model of CTranslate2')
    if isinstance(error, ValueError) and 'Invalid model size' in str(error):
        return (f'--transcribe {options.model}: there is no such folder and no such model; '
                'expected a folder, or a name such as tiny.en, base.en, small')
    if options.download:
        return (f'--transcribe {options.model}: it could not be downloaded '
                f'({type(error).__name__}); check the network, or give the folder of a model')
    return (f'--transcribe {options.model}: the model is not on this computer; give the folder '
            'of a model, or let it be downloaded once with --download')


@dataclass(frozen=True)
class Speech:
    """
    The audio of an utterance that has ended.

    :param end: capture time after the last sample, seconds.
    :param audio: (samples,) int16, 16 kHz mono.
    """

    utterance_id: str
    end: float
    audio: Int16


class SpeechCollector:
    """Collects the audio of utterances from their parts."""

    def __init__(self) -> None:
        self._open: dict[str, list[UtterancePart]] = {}
        self._ended: list[Speech] = []

    def push(self, part: UtterancePart) -> None:
        """Take a part; utterances without sound, or with words already, are left alone."""
        if part.revision:
            return
        parts = self._open.setdefault(part.utterance_id, [])
        parts.append(part)
        if not part.last:
            return
        del self._open[part.utterance_id]
        audio = np.concatenate([each.audio for each in parts])
        if audio.size and not any(each.text for each in parts):
            self._ended.append(Speech(part.utterance_id, part.end, audio))

    def pop(self) -> list[Speech]:
        """Return the utterances that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended


def transcribe(recognizer: SpeechRecognizer, speech: Speech) -> Transcript | None:
    """Return the words of an utterance, stamped with its end; None if there are none."""
    text, language = recognizer.transcribe(speech.audio)
    words = Transcript(speech.end, text, language=language)
    return words if words.text else None
