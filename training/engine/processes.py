"""Several processes that train together, as accelerate's launcher starts them; or a single one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
import os
from typing import Any

PATIENCE = timedelta(days=1)  # of those that wait while the features of a corpus are computed


def rank() -> int:
    """Return which of the processes this is; 0 is the main one."""
    return int(os.environ.get('RANK', '0'))


@contextmanager
def main_first() -> Iterator[None]:
    """Let the main process do something; the others do it after it, and find it done."""
    with _state().main_process_first():
        yield


@contextmanager
def main_alone() -> Iterator[bool]:
    """Yield True in the main process and False in the others, which wait for its end."""
    yield rank() == 0
    _state().wait_for_everyone()


def _state() -> Any:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env
    return PartialState(cpu=parse_flag_from_env('ACCELERATE_USE_CPU'), timeout=PATIENCE)
