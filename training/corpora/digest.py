# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A digest of a corpus, which distinguishes runs on different ones."""

from __future__ import annotations

from collections.abc import Sequence
import json

from training.corpora.examples import Example
from training.engine.files import fingerprint


def digest_of(examples: Sequence[Example]) -> str:
    """Return a digest of text, labels and speakers; the paths of the files do not matter."""
    rows = [[e.key, e.split, e.text, e.labels, e.speaker, e.group, e.turn,
             *([e.soft, e.weight] if e.soft or e.weight != 1 else [])] for e in examples]
    return fingerprint(json.dumps(rows))
