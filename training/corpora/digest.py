"""A digest of a corpus, which distinguishes runs on different ones."""

from __future__ import annotations

from collections.abc import Sequence
import json

from training.corpora.examples import Example
from training.engine.files import fingerprint


def digest_of(examples: Sequence[Example]) -> str:
    """Return a digest of text, labels and speakers; the paths of the files do not matter."""
    rows = [[e.key, e.split, e.text, e.labels, e.speaker, e.group, e.turn] for e in examples]
    return fingerprint(json.dumps(rows))
