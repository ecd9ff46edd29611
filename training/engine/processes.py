# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The processes of a training, as accelerate's launcher starts them; often a single one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
import os
from typing import Any

PATIENCE = timedelta(days=1)  # of the others while the main one computes features


def rank() -> int:
    """Return the number of this process; 0 is the main one."""
    return int(os.environ.get('RANK', '0'))


@contextmanager
def main_first() -> Iterator[None]:
    """Run the block in the main process first, then in the others, which find its results."""
    with _state().main_process_first():
        yield


@contextmanager
def main_alone() -> Iterator[bool]:
    """Yield True in the main process and False in the others, which wait until it is done."""
    yield rank() == 0
    _state().wait_for_everyone()


def _state() -> Any:
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env
    return PartialState(cpu=parse_flag_from_env('ACCELERATE_USE_CPU'), timeout=PATIENCE)
