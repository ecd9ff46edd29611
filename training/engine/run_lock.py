# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The lock of a run folder: one process trains in it, another is refused with who holds it."""

from __future__ import annotations

from datetime import datetime
import fcntl
import json
import os
from pathlib import Path
import socket
from typing import TextIO

from mmer_ros.types import InvalidInput

LOCK = '.lock'
_held: dict[Path, TextIO] = {}  # by folder; closing a file would give its lock back


def claim(folder: Path) -> None:
    """
    Lock a folder until this process ends, however it ends.

    :raises InvalidInput: if another process has locked it.
    """
    folder = folder.resolve()
    if folder in _held:
        return
    file = (folder / LOCK).open('a+', encoding='utf-8')
    try:
        # Of the process alone: loaders that outlive it do not hold it, as they would a flock.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        holder = _holder(file.read())
        file.close()
        raise InvalidInput(f'run {folder}: {holder} is training in it; wait for it, stop it, or '
                           'give another folder') from None
    except OSError:  # a file system without locks
        pass
    else:
        file.truncate(0)
        file.write(json.dumps({'process': os.getpid(), 'host': socket.gethostname(),
                               'since': datetime.now().isoformat(' ', 'seconds')}))
        file.flush()
    _held[folder] = file


def _holder(text: str) -> str:
    try:
        facts = json.loads(text)
        return f'process {facts["process"]} on {facts["host"]}, since {facts["since"]},'
    except (ValueError, KeyError, TypeError):
        return 'another process'
