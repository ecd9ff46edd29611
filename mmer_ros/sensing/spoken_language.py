# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Languages of transcripts: what recognisers call them, and which ones a bundle reads."""

from __future__ import annotations

from collections.abc import Collection
import re

# Whisper's English names and ISO 639-2 codes, of the languages that are spoken most.
CODES = {
    'arabic': 'ar', 'ara': 'ar', 'bengali': 'bn', 'ben': 'bn', 'catalan': 'ca', 'cat': 'ca',
    'chinese': 'zh', 'mandarin': 'zh', 'zho': 'zh', 'chi': 'zh', 'cmn': 'zh', 'czech': 'cs',
    'ces': 'cs', 'cze': 'cs', 'danish': 'da', 'dan': 'da', 'dutch': 'nl', 'nld': 'nl',
    'dut': 'nl', 'english': 'en', 'eng': 'en', 'finnish': 'fi', 'fin': 'fi', 'french': 'fr',
    'fra': 'fr', 'fre': 'fr', 'german': 'de', 'deu': 'de', 'ger': 'de', 'greek': 'el',
    'ell': 'el', 'gre': 'el', 'hebrew': 'he', 'heb': 'he', 'hindi': 'hi', 'hin': 'hi',
    'hungarian': 'hu', 'hun': 'hu', 'indonesian': 'id', 'ind': 'id', 'italian': 'it',
    'ita': 'it', 'japanese': 'ja', 'jpn': 'ja', 'korean': 'ko', 'kor': 'ko', 'norwegian': 'no',
    'nor': 'no', 'persian': 'fa', 'fas': 'fa', 'per': 'fa', 'polish': 'pl', 'pol': 'pl',
    'portuguese': 'pt', 'por': 'pt', 'romanian': 'ro', 'ron': 'ro', 'rum': 'ro',
    'russian': 'ru', 'rus': 'ru', 'spanish': 'es', 'castilian': 'es', 'spa': 'es',
    'swedish': 'sv', 'swe': 'sv', 'turkish': 'tr', 'tur': 'tr', 'ukrainian': 'uk', 'ukr': 'uk',
    'urdu': 'ur', 'urd': 'ur', 'vietnamese': 'vi', 'vie': 'vi',
}
KNOWN = {**CODES, **{code: code for code in CODES.values()}}
UNKNOWN = ('', 'und', 'auto', 'unknown', 'default', 'posix', 'zxx', 'mul', 'none', 'null')


def language_code(name: str) -> str:
    """
    Return the code of a language; '' if the name does not say which it is.

    :param name: a code, a locale or an English name.

    >>> [language_code(name) for name in ('en_US.UTF-8', 'British English', '<|de|>', 'und')]
    ['en', 'en', 'de', '']
    """
    parts: list[str] = re.findall(r'[^\W\d_]+', name.lower()) or ['']
    first = parts[0]
    if first in UNKNOWN or len(first) == 1:  # as 'C' or 'n/a'
        return ''
    if first not in KNOWN and len(first) > 3:
        first = next((part for part in parts if part in KNOWN), first)
    return KNOWN.get(first, first)


def shown_language(name: str) -> str:
    """
    Return a language for a message to people, without what is no name of one.

    >>> shown_language('de_AT'), shown_language('what somebody said')
    ("'de'", 'a language of unknown name')
    """
    code = language_code(name)
    known = code in CODES.values() or re.fullmatch('[a-z]{2,3}', code)
    return repr(code) if known else 'a language of unknown name'


def is_read(language: str, languages: Collection[str]) -> bool:
    """
    Return whether words of a language are understood.

    :param language: as a recogniser calls it; '' if it does not, which is taken for one of ours.
    :param languages: codes of those that a bundle reads; empty: any.
    """
    code = language_code(language)
    return not code or not languages or code in languages
