# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Text in one spelling, whether it comes from a corpus, a file or a speech recogniser.

Training and the robot repair text with the same code, so that a typographic apostrophe or a
byte order mark never changes an answer.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LAYERS = 8  # of wrong encodings, one on another

# Bytes 0x80-0x9f mean printable characters in Windows-1252; 0x81, 0x8d, 0x8f, 0x90 and 0x9d mean
# nothing.
_CP1252 = {byte: bytes([byte]).decode('cp1252', errors='ignore') for byte in range(0x80, 0x100)}
_STRAY_BYTES = str.maketrans(
    {byte: char or chr(byte) for byte, char in _CP1252.items() if byte < 0xa0}
    | {0xdc00 + byte: char or chr(byte) for byte, char in _CP1252.items()})
_TO_BYTE = {char or chr(byte): byte for byte, char in _CP1252.items()}

# UTF-8 that was read as Windows-1252: Latin letters (C2, C3, C5), punctuation (E2), emoji (F0 9F),
# a byte order mark (EF BB BF).
_TAIL = ''.join(re.escape(char) for char, byte in _TO_BYTE.items() if byte < 0xc0)
_MOJIBAKE = re.compile(f'[ÂÃÅ][{_TAIL}]|â[{_TAIL}]{{2}}|ðŸ[{_TAIL}]{{2}}|ï»¿')

_PLAIN = str.maketrans({
    **dict.fromkeys('‘’‚‛′´ʼ', "'"), **dict.fromkeys('“”„‟″', '"'),
    **dict.fromkeys('‐‑‒–−', '-'), **dict.fromkeys('—―', ' - '), '…': '...',
    'ﬀ': 'ff', 'ﬁ': 'fi', 'ﬂ': 'fl', 'ﬃ': 'ffi', 'ﬄ': 'ffl',
    **{chr(0xff01 + code): chr(0x21 + code) for code in range(0x5e)},  # of full width
})
_BACKTICK = re.compile(r'(?<=[^\W\d_])`(?=[^\W\d_])')  # within words an apostrophe
_LOST = re.compile(r'(?<=\w)\ufffd(?=\w)')  # inside of words it was an apostrophe
_UNPRINTED = ('Cc', 'Cf', 'Cs')  # control characters, zero width and soft hyphens, surrogates

# What recognisers write for sounds: '[BLANK_AUDIO]', '(upbeat music)', '<|nospeech|>', '*sighs*'.
_BRACKETS = re.compile(r'\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|<[^<>]*>|【[^【】]*】|'
                       r'(?<!\w)\*[^*]+\*(?!\w)')
_NOTES = re.compile('[\u2669-\u266f\U0001f3b5\U0001f3b6]+')
_SOUNDS = re.compile(
    r'\b(?:applau\w*|audience|audio|bang\w*|bark\w*|beep\w*|bell|bells|bird\w*|blank|breath\w*|'
    r'buzz\w*|chatter\w*|cheer\w*|chime\w*|chuckl\w*|clap\w*|clear\w* throat|click\w*|cough\w*|'
    r'cries|crosstalk|crowd|crying|door|engine|exhal\w*|explosion|footsteps|foreign|gasp\w*|'
    r'giggl\w*|groan\w*|grunt\w*|hum\w*|inaudible|indistinct|inhal\w*|instrumental|knock\w*|'
    r'laugh\w*|lyrics|moan\w*|mumbl\w*|murmur\w*|music\w*|no speech|noise\w*|nospeech|pause|'
    r'phone|ring\w*|scoff\w*|scream\w*|shout\w*|shriek\w*|sigh\w*|silence|silent|sing\w*|siren\w*|'
    r'slam\w*|sneez\w*|sniff\w*|snor\w*|sob\w*|song|sound\w*|speak\w*|static|thud\w*|thunder|'
    r'typing|unintelligible|unk|wail\w*|weep\w*|whimper\w*|whisper\w*|whistl\w*|wind|yawn\w*)\b',
    re.IGNORECASE)
_CAPITALS = re.compile(r'[^a-z]*[A-Z][^a-z]*[A-Z_][^a-z]*')


def repair_text(text: str) -> str:
    r"""
    Return text with the accidents of its encoding undone, and plain punctuation.

    Repaired are: Windows-1252 read as Latin-1 (the C1 control characters of MELD, '\x92') or kept
    by `errors='surrogateescape'`; UTF-8 read as either ('â€™', 'Ã©'); U+FFFD within words.
    Quotes, dashes and the ellipsis become ASCII, as a speech recogniser writes them; letters with
    accents stay, composed (NFC). Control and zero-width characters go, white space is folded.

    >>> repair_text('\ufeffThat\u2019s  it\u2026')
    "That's it..."
    """
    text = _BACKTICK.sub("'", text)
    if text.isascii() and text.isprintable():
        return ' '.join(text.split())
    for _ in range(MAX_LAYERS):
        before, text = text, _repaired(text)
        if text == before:
            break
    return text


def _repaired(text: str) -> str:
    text = text.translate(_STRAY_BYTES)
    text = _MOJIBAKE.sub(_as_utf8, text)
    text = _LOST.sub("'", unicodedata.normalize('NFC', text)).translate(_PLAIN)
    return ' '.join(''.join(c for c in text if c.isspace() or _is_text(c)).split())


def _is_text(char: str) -> bool:
    return unicodedata.category(char) not in _UNPRINTED and char != '\ufffd'


def _as_utf8(match: re.Match[str]) -> str:
    data = bytes(_TO_BYTE[char] for char in match[0])
    return data.decode('utf-8', errors='replace')


def without_sounds(text: str) -> tuple[str, int]:
    """
    Return the words of a transcript without the recogniser's tags for sounds, and their number.

    A bracket is a tag if it names a sound, is written in capitals, is empty ('[ __ ]') or stands
    alone, and so is all in angle brackets; any other may hold words and stays.

    >>> without_sounds('(door slams) Who is there? [BLANK_AUDIO]')
    ('Who is there?', 2)
    >>> without_sounds('I [really] mean it')
    ('I [really] mean it', 0)
    """
    text, tags = _NOTES.subn(' ', text)
    rest = _BRACKETS.sub('', text)
    alone = not any(char.isalnum() for char in rest)

    def replaced(match: re.Match[str]) -> str:
        nonlocal tags
        content = match[0][1:-1].strip()
        is_token = match[0][0] in '<【' or not content.strip('_ ')
        if not (alone or is_token or _CAPITALS.fullmatch(content)
                or _SOUNDS.search(content.replace('_', ' '))):
            return match[0]
        tags += 1
        return ' '

    words = ' '.join(_BRACKETS.sub(replaced, text).split())
    if tags:
        words = words.removeprefix(': ') if any(c.isalnum() for c in words) else ''
    return ('' if not words.strip('.,- ') else words), tags


def one_line(text: str, most: int = 500) -> str:
    r"""
    Return text with data in it for one line of a log or of a response.

    >>> one_line('bundle \x1b[31mred: nothing\nhere')
    'bundle ?[31mred: nothing here'

    :param most: characters at most; what is longer is cut in the middle.
    """
    if len(text) > most:
        text = f'{text[:most // 2]} ... {text[-most // 3:]}'
    return ''.join(c if c.isprintable() else '?' for c in ' '.join(text.split()))
