# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Files of words: SRT, WebVTT, JSON of Whisper and its relatives, TSV, CSV and plain text.

>>> file = read_transcripts(Path('talk.srt'))
>>> file.words[0]
Transcript(stamp=2.3, text='bin blue at f two now', start=0.8)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass
import html
from io import StringIO
import json
from pathlib import Path
import re
from typing import Any

from mmer_ros.text_repair import one_line
from mmer_ros.types import InvalidInput, Transcript

MAX_BYTES = 64 << 20  # a day of speech has less than 2 MB of words
MAX_S = 1e9
ROLL_S = 0.05  # captions that roll have cues as short as this in between
MILLISECONDS = 10  # integers of which the last is this many times the length of the clip

TIME = re.compile(r'(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?|[.,]\d+)\s*s?')
CUE = re.compile(r'^\s*(\S+)\s*-->\s*(\S+)')
MARKUP = re.compile(r'</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}')
VOICE = re.compile(r'<v(?:\.[^\s>]*)?\s+([^<>]+)>')
BLOCK = ('WEBVTT', 'NOTE', 'STYLE', 'REGION')  # of WebVTT, up to an empty line; no words

STARTS = ('start', 'begin', 'from', 'start_time', 'begin_time', 'starttime', 'onset', 'start_s')
ENDS = ('end', 'stop', 'to', 'end_time', 'stop_time', 'endtime', 'offset', 'end_s')
TEXTS = ('text', 'transcript', 'utterance', 'words', 'word', 'sentence', 'transcription')


@dataclass(frozen=True)
class TranscriptFile:
    """
    The words of a clip.

    :param words: by their end; `start` is None if the file holds no times.
    """

    words: tuple[Transcript, ...]

    @property
    def timed(self) -> bool:
        """Whether the file has the times of the words."""
        return any(words.start is not None for words in self.words)

    @property
    def text(self) -> str:
        """All words, one after the other."""
        return ' '.join(words.text for words in self.words if words.text)

    @property
    def language(self) -> str:
        """Language of the words; '' if the file does not name it."""
        return next((words.language for words in self.words if words.language), '')

    @property
    def sounds(self) -> int:
        """Number of tags for sounds that were left out."""
        return sum(words.sounds for words in self.words)


def is_transcript_file(name: str) -> bool:
    """Return whether a name is that of a file of words, which need not be there."""
    return Path(name).suffix.lower() in {*READERS, *UNREAD}


def read_transcripts(path: Path, length_s: float = 0.0) -> TranscriptFile:
    """
    Read words by the extension of their file, in upper or lower case.

    :param length_s: of the clip, seconds, which decides between milliseconds and seconds; 0: as
        usual for the kind of file.
    :raises InvalidInput: if the file is not there, or is not of its kind.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InvalidInput(f'{path}: transcripts of this kind are not read; expected '
                           f'{", ".join(READERS)}. Convert it, e.g. '
                           f'ffmpeg -i {path.name} {path.stem}.srt')
    expected, read = READERS[suffix]
    if not path.is_file():
        raise InvalidInput(f'{path}: there is no such file; expected {expected}. If these are '
                           'the words themselves, end them otherwise')
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f'it has {path.stat().st_size >> 20} MB, more than '
                             f'{MAX_BYTES >> 20} MB')
        words = list(read(_content(path.read_bytes()), length_s))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError,
            RecursionError, csv.Error) as error:
        raise InvalidInput(f'{path}: it cannot be read as {expected} '
                           f'({one_line(_reason(error))})') from error
    return TranscriptFile(tuple(sorted(words, key=lambda each: each.stamp)))


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f'{error} is missing'
    return (getattr(error, 'strerror', None) or str(error)).rstrip('.') or type(error).__name__


def _content(data: bytes) -> str:
    """Decode UTF-8, or UTF-16 with its mark; other bytes are repaired as Windows-1252 later."""
    if data.startswith((b'\xff\xfe', b'\xfe\xff')):
        return data.decode('utf-16')
    if b'\x00' in data:
        raise ValueError('it is no text')
    return data.decode('utf-8-sig', errors='surrogateescape')


def _words(start: object, end: object, text: object, speaker: object = '',
           language: object = '') -> Transcript:
    begin, finish = _seconds(start), _seconds(end)
    if not 0 <= begin <= finish < MAX_S:
        raise ValueError(f'words from {begin:g} s to {finish:g} s')
    return Transcript(finish, str(text), str(speaker or ''), str(language or ''), start=begin)


def _seconds(time: object) -> float:
    """Return '1:02:03,5', '62.5' or a number as seconds."""
    if isinstance(time, (int, float)) and not isinstance(time, bool):
        return float(time)
    match = TIME.fullmatch(str(time).strip())
    if match is None:
        raise ValueError(f'{str(time)[:40]!r} is no time')
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds.replace(',', '.'))


# ------------------------------------------------------------------------------- subtitles

def _subtitles(content: str, length_s: float) -> Iterator[Transcript]:
    """Read SRT or WebVTT: what follows a line with an arrow, up to the name of the next cue."""
    cues: list[tuple[float, float, list[str]]] = []
    ignored, stray = False, 0
    for number, line in enumerate(content.splitlines(), 1):
        arrow = CUE.match(line)
        if arrow:
            try:
                times = _seconds(arrow[1]), _seconds(arrow[2])
            except ValueError as error:
                raise ValueError(f'line {number}: {error}') from error
            if cues:
                _drop_name(cues[-1][2])
            cues.append((*times, []))
            ignored = False
        elif line.split()[:1] and line.split()[0] in BLOCK:
            ignored = True
        elif not line.strip():
            ignored = False
            if cues:
                cues[-1][2].append('')
        elif cues and not ignored:
            cues[-1][2].append(line)
        elif not ignored:
            stray += 1
    if stray and not cues:
        raise ValueError('no line has times such as 00:00:01,000 --> 00:00:02,500')
    yield from _without_repeats(cues)


def _drop_name(lines: list[str]) -> None:
    """Remove the number or name of the next cue from the end of a cue's lines."""
    if lines and lines[-1] and (lines[-1].strip().isdigit() or '' in lines):
        del lines[-1]


def _without_repeats(cues: Sequence[tuple[float, float, list[str]]]) -> Iterator[Transcript]:
    """Yield cues; captions that roll show the line of the cue before once more."""
    last = ''
    for start, end, lines in cues:
        shown = [line for line in lines if _plain(line)]
        if not shown:
            continue
        rolls = _plain(shown[0]) == last and (len(shown) > 1 or end - start < ROLL_S)
        last = _plain(shown[-1])
        if shown := shown[rolls:]:
            yield _cue(start, end, shown)


def _cue(start: float, end: float, lines: Sequence[str]) -> Transcript:
    voice = VOICE.search(' '.join(lines))
    text = ' '.join(re.sub(r'^\s*-\s+', '', _plain(line)) for line in lines)
    return _words(start, end, text, voice[1].strip() if voice else '')


def _plain(line: str) -> str:
    return html.unescape(MARKUP.sub('', line)).strip()


# -------------------------------------------------------------------------------- tables

def _table(content: str, length_s: float, *, milliseconds: bool) -> Iterator[Transcript]:
    head = content.split('\n', 1)[0]
    reader = csv.DictReader(StringIO(content, newline=''),
                            delimiter=max('\t;,', key=head.count))
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    columns = [next((name for name in names if name in reader.fieldnames), '')
               for names in (STARTS, ENDS, TEXTS)]
    if not columns[1] or not columns[2]:
        raise ValueError(f'its columns are {", ".join(reader.fieldnames)[:80]}; expected start, '
                         'end and text')
    start, end, text = columns
    rows = [row for row in reader if row[text]]
    unit = _unit(rows, end, length_s, milliseconds)
    for row in rows:
        first, last = _seconds(row[start or end]) / unit, _seconds(row[end]) / unit
        yield _words(first, last, row[text], row.get('speaker'), row.get('language'))


def _unit(rows: Sequence[Mapping[str, str]], end: str, length_s: float,
          milliseconds: bool) -> float:
    """Return how many of a table's units are a second: whisper.cpp and Whisper's TSV count ms."""
    if not rows or not all((row[end] or '').strip().isdigit() for row in rows):
        return 1.0
    if length_s > 0:
        milliseconds = max(int(row[end]) for row in rows) > MILLISECONDS * length_s
    return 1000.0 if milliseconds else 1.0


# ------------------------------------------------------------------------------- recognisers

def _json(content: str, length_s: float) -> Iterator[Transcript]:
    found = json.loads(content)
    found = {'segments': found} if isinstance(found, list) else found
    if not isinstance(found, dict):
        raise ValueError(f'it holds a {type(found).__name__}')
    result = found.get('result')
    language = found.get('language') or (
        result.get('language') if isinstance(result, dict) else '') or ''
    if isinstance(found.get('transcription'), list):  # whisper.cpp: milliseconds
        for segment in found['transcription']:
            times = segment['offsets']
            yield _words(times['from'] / 1000, times['to'] / 1000, segment['text'],
                         language=language)
    elif isinstance(found.get('chunks'), list):  # Hugging Face's pipelines
        yield from _chunks(found['chunks'], length_s, language)
    elif isinstance(result, list):  # Vosk
        yield from _each_word(result, language)
    elif isinstance(found.get('segments'), list):
        words = found.get('words') or found.get('word_segments')
        for segment in found['segments']:
            if segment.get('words'):
                yield from _each_word(segment['words'], language, segment)
            elif not words:
                yield _words(segment['start'], segment['end'], segment['text'],
                             segment.get('speaker'), language)
        if words and not any(segment.get('words') for segment in found['segments']):
            yield from _each_word(words, language)
    elif isinstance(found.get('words'), list):
        yield from _each_word(found['words'], language)
    elif isinstance(found.get('text'), str):
        yield Transcript(0.0, found['text'], language=language)
    else:
        raise ValueError(f'its keys are {", ".join(map(str, found))[:80]}; expected segments')


def _chunks(chunks: Sequence[Mapping[str, Any]], length_s: float, language: str
            ) -> Iterator[Transcript]:
    """Yield words with (start, end); the end of the last one may be missing."""
    for chunk in chunks:
        start, end = chunk['timestamp']
        yield _words(start, max(length_s, start) if end is None else end, chunk['text'],
                     language=chunk.get('language') or language)


def _each_word(words: Sequence[Mapping[str, Any]], language: str,
               segment: Mapping[str, Any] | None = None) -> Iterator[Transcript]:
    """Yield words; those without times, as WhisperX leaves numbers, get those between."""
    segment = segment or {}
    until = segment.get('start', 0.0)
    for index, word in enumerate(words):
        later = next((each['start'] for each in words[index + 1:]
                      if each.get('start') is not None), segment.get('end', until))
        start = until if word.get('start') is None else word['start']
        end = max(later, start) if word.get('end') is None else word['end']
        text = word.get('word', word.get('text', ''))
        yield _words(start, end, text, word.get('speaker', segment.get('speaker')), language)
        until = end


def _text(content: str, length_s: float) -> Iterator[Transcript]:
    yield Transcript(0.0, content)


Reader = Callable[[str, float], Iterator[Transcript]]
READERS: dict[str, tuple[str, Reader]] = {
    '.srt': ('SRT', _subtitles),
    '.vtt': ('WebVTT', _subtitles),
    '.json': ('JSON of Whisper: segments with start, end and text', _json),
    '.csv': ('CSV with the columns start, end and text',
             lambda content, length: _table(content, length, milliseconds=False)),
    '.tsv': ('TSV with the columns start, end and text',
             lambda content, length: _table(content, length, milliseconds=True)),
    '.txt': ('plain text', _text),
}
UNREAD = ('.ass', '.ssa', '.sub', '.sbv', '.ttml', '.dfxp', '.lrc', '.stl', '.docx', '.pdf',
          '.textgrid', '.xml', '.jsonl')
