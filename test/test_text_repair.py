# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Text repair: what encodings did to it is undone, whatever else it says stays."""

from __future__ import annotations

from mmer_ros.text_repair import repair_text, without_sounds
import pytest


@pytest.mark.parametrize('said', ['company’s', '“Good-bye”', 'Nestlé', 'Adiós…', 'ça', 'œuvre',
                                  'né à l’été', '😂 ok', '‘Cause…'])
def test_all_ways_to_spoil_a_text_are_undone(said: str) -> None:
    """Each is spoiled as programs do it, so the answer is known: that of the text itself."""
    whole = repair_text(said)
    utf8 = said.encode()
    assert repair_text(utf8.decode('latin-1')) == whole
    assert repair_text(''.join(bytes([b]).decode('cp1252', 'ignore') or chr(b)
                               for b in utf8)) == whole
    if '😂' not in said:
        in_windows = said.encode('cp1252')
        assert repair_text(in_windows.decode('latin-1')) == whole
        assert repair_text(in_windows.decode('utf-8', 'surrogateescape')) == whole


@pytest.mark.parametrize(('text', 'plain'), [
    ('company\x92s', "company's"), ('‘no’ “yes”', '\'no\' "yes"'), ('so…', 'so...'),
    ('have to—you-you', 'have to - you-you'), ('9–5', '9-5'),
    ('  two\tof\u00a0them\r\n', 'two of them'), ('don\ufffdt \ufffd', "don't"),
    ('e\u0301te\u0301', 'été'), ('It`s', "It's"),
    ('don＇t', "don't"), ('ﬁne', 'fine'), ('a\x00b\u200bc\ufeff', 'abc'), ('', '')])
def test_punctuation_becomes_plain(text: str, plain: str) -> None:
    assert repair_text(text) == plain


@pytest.mark.parametrize('text', [
    'plain text, "quoted" - it\'s 5 o\'clock...', 'Â', 'CAFÉ', 'âge', 'Ã la', 'señor', 'Привет',
    '你好', '¯\\_(ツ)_/¯', '£5 ©', '😂'])
def test_what_is_right_stays(text: str) -> None:
    assert repair_text(text) == text


def test_a_curly_apostrophe_after_a_capital_with_accent_is_no_mojibake() -> None:
    assert repair_text('CAFÉ’S') == "CAFÉ'S"


def test_a_second_repair_changes_nothing() -> None:
    once = repair_text('\x93Itâ€™s  a\x85 cafÃ©\x94 — “Ok”')
    assert repair_text(once) == once == '"It\'s a... café" - "Ok"'


@pytest.mark.parametrize(('text', 'words'), [
    ('[ Silence ]', ''), ('♪ la la ♪', 'la la'), ('【音楽】', ''), ('Hi <sil> there', 'Hi there'),
    ('<s> hello </s>', 'hello'), ('<|en|> Hi.<|endoftext|>', 'Hi.'), ('[ __ ] you', 'you'),
    ('[Speaker 1]: hello', 'hello'), ('...', ''), ('...[BLANK_AUDIO]...', ''),
    ('That is (£) or (?)', 'That is (£) or (?)'), ('I (really) said it', 'I (really) said it'),
    ('1 < 2', '1 < 2'), ('***', '***')])
def test_tags_of_recognisers_are_no_words(text: str, words: str) -> None:
    assert without_sounds(text)[0] == words
