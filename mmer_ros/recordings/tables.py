# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Estimates as rows of tables, and cells that no spreadsheet takes for formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmer_ros.types import ALL_MODALITIES, EMOTIONS

FORMULA = ('=', '+', '-', '@', '\t', '\r')  # first characters of what a spreadsheet computes
PLAIN = ('utterance_id', 'start', 'end', 'stamp', 'final', 'revision', 'label', 'confidence',
         'calibrated', 'trained', 'valence', 'arousal')
NAMES = ('person_id', 'face_id', 'voice_id', 'speaker_by', 'speaker_margin', 'transcript',
         'bundle_name', 'bundle_hash')


def table_columns(plain: Sequence[str] = PLAIN) -> tuple[str, ...]:
    """Return the names of the columns of `table_row`."""
    return (*plain, *(f'p_{name}' for name in EMOTIONS), 'modalities',
            *(f'weight_{name}' for name in ALL_MODALITIES.names), *NAMES)


def table_row(row: Mapping[str, Any], plain: Sequence[str] = PLAIN) -> tuple[Any, ...]:
    """
    Return an estimate as the cells of a row that no spreadsheet computes.

    :param row: Estimate.to_dict(), perhaps with more.
    :param plain: names of the columns that come first.
    """
    return tuple(map(safe_cell, plain_cells(row, plain)))


def plain_cells(row: Mapping[str, Any], plain: Sequence[str] = PLAIN) -> tuple[Any, ...]:
    """Return the cells of `table_row` as they are, for what is no spreadsheet."""
    return (*(row[name] for name in plain), *row['probabilities'].values(),
            '+'.join(row['modalities']), *row['modality_weights'].values(),
            *(row[name] for name in NAMES))


def safe_cell(value: Any) -> Any:
    r"""
    Return a value that no spreadsheet computes: text like a formula gets an apostrophe.

    >>> safe_cell('=HYPERLINK("http://x")'), safe_cell(-0.5)
    ('\'=HYPERLINK("http://x")', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def read_cell(text: str) -> str:
    """Return what `safe_cell` was given."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA) else text
