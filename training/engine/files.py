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
