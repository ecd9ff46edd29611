# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Files that appear complete or not at all, and digests of what they were made from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from training.engine.processes import rank

PARTIAL = '.partial'


def write_file(path: Path, data: bytes) -> None:
    """
    Write a file atomically: it is renamed into place once it is on the disk.

    :raises OSError: if it cannot be written; an earlier version stays.
    """
    partial = partial_of(path)
    try:
        with partial.open('wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def partial_of(path: Path) -> Path:
    """Return the temporary name of a file; each of several processes has its own."""
    number = rank()
    return path.with_name(path.name + (f'.{number}' if number else '') + PARTIAL)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def fingerprint(*parts: str | bytes, digits: int = 16) -> str:
    """
    Return the first hexadecimal digits of the SHA-256 of some parts.

    >>> fingerprint('dialogue', b'1') == fingerprint('dialogue', '1') != fingerprint('dialogue1')
    True
    """
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return hashlib.sha256(b'\0'.join(encoded)).hexdigest()[:digits]
