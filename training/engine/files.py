"""Files that appear complete or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from training.engine.processes import rank

PARTIAL = '.partial'


def write_file(path: Path, data: bytes) -> None:
    """
    Write a file and put it into its place when it is on the disk; nothing half is left behind.

    :raises OSError: if it cannot be written; what was there before stays.
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
    """Return where a file is until it is complete; each of several processes has its own."""
    number = rank()
    return path.with_name(path.name + (f'.{number}' if number else '') + PARTIAL)


def sha256_of(path: Path) -> str:
    """Return the digest of a file's content, in hexadecimal."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Return the digest of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
