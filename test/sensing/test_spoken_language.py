# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Names of languages, as recognisers, locales and people write them."""

from __future__ import annotations

from mmer_ros.sensing.spoken_language import is_read, language_code
import pytest


@pytest.mark.parametrize(('name', 'code'), [
    ('en_GB.UTF-8', 'en'), ('ENG', 'en'), ('English (US)', 'en'), ('american english', 'en'),
    ('<|en|>', 'en'), ('en;q=0.9', 'en'), ('<|de|>', 'de'), ('language:de', 'de'),
    ('German_Germany', 'de'), ('de_AT.ISO-8859-15', 'de'), ('cmn-Hans-CN', 'zh'), ('yue', 'yue'),
    ('Deutsch', 'deutsch'), ('C.UTF-8', ''), ('n/a', ''), ('i-default', ''), ('mul', ''),
    ('0', ''), ('-', ''), ('', '')])
def test_each_spelling_gives_the_code(name: str, code: str) -> None:
    assert language_code(name) == code
    assert is_read(name, ['en']) == (code in ('en', ''))
