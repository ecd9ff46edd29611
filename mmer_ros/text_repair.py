"""Text of corpora as a robot's speech recognition would write it: plain quotes, one encoding."""

from __future__ import annotations

import re
import unicodedata

# Bytes 0x80-0x9f mean printable characters in Windows-1252; 0x81, 0x8d, 0x8f, 0x90 and 0x9d mean
# nothing.
_CP1252 = {byte: bytes([byte]).decode('cp1252', errors='ignore') for byte in range(0x80, 0x100)}
_STRAY_BYTES = str.maketrans(
    {byte: char or chr(byte) for byte, char in _CP1252.items() if byte < 0xa0}
    | {0xdc00 + byte: char or chr(byte) for byte, char in _CP1252.items()})
_TO_BYTE = {char or chr(byte): byte for byte, char in _CP1252.items()}

# UTF-8 that was read as Windows-1252: Latin letters (C2, C3, C5), punctuation (E2), emoji (F0 9F).
_TAIL = ''.join(re.escape(char) for char, byte in _TO_BYTE.items() if byte < 0xc0)
_MOJIBAKE = re.compile(f'[ÂÃÅ][{_TAIL}]|â[{_TAIL}]{{2}}|ðŸ[{_TAIL}]{{2}}')

_PLAIN = str.maketrans({
    **dict.fromkeys('‘’‚‛′´ʼ', "'"), **dict.fromkeys('“”„‟″', '"'),
    **dict.fromkeys('‐‑‒–−', '-'), **dict.fromkeys('—―', ' - '), '…': '...',
    **dict.fromkeys('\u200b\u2060\ufeff\u00ad', ''),  # zero width, soft hyphen
})
_LOST = re.compile(r'(?<=\w)\ufffd(?=\w)')  # inside of words it was an apostrophe


def repair_text(text: str) -> str:
    r"""
    Return text with the accidents of its encoding undone, and plain punctuation.

    Repaired are: Windows-1252 read as Latin-1 (the C1 control characters of MELD, '\x92') or kept
    by `errors='surrogateescape'`; UTF-8 read as either ('â€™', 'Ã©'); U+FFFD within words.
    Quotes, dashes and the ellipsis become ASCII, as a speech recogniser writes them; letters with
    accents stay, composed (NFC). Control and zero-width characters go, white space is folded.
    """
    text = text.translate(_STRAY_BYTES)
    text = _MOJIBAKE.sub(_as_utf8, text)
    text = _LOST.sub("'", unicodedata.normalize('NFC', text)).translate(_PLAIN)
    return ' '.join(''.join(c for c in text if c.isspace() or _is_text(c)).split())


def _is_text(char: str) -> bool:
    return unicodedata.category(char) not in ('Cc', 'Cs') and char != '\ufffd'


def _as_utf8(match: re.Match[str]) -> str:
    data = bytes(_TO_BYTE[char] for char in match[0])
    return data.decode('utf-8', errors='replace')
