# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""ROS domains that no other process uses: for demo, benchmarks and tests."""

from __future__ import annotations

import fcntl
from functools import cache
import os
from pathlib import Path
from tempfile import gettempdir

DOMAINS = 100  # numbers from 1 whose ports no other program gets by chance


def own_domain() -> None:
    """Use a ROS domain of this process and its children alone, on this computer only."""
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['ROS_DOMAIN_ID'] = str(_own())


@cache
def _own() -> int:
    return claim_domain()


def claim_domain() -> int:
    """
    Return a domain that no process of this user has claimed, until this process ends.

    :raises RuntimeError: if all are claimed.
    """
    folder = Path(gettempdir()) / f'mmer_ros_domains_{os.getuid()}'
    folder.mkdir(mode=0o700, exist_ok=True)
    for step in range(DOMAINS):
        domain = 1 + (os.getpid() + step) % DOMAINS
        lock = os.open(folder / str(domain), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until the process has ended
        except BlockingIOError:
            os.close(lock)
        else:
            return domain
    raise RuntimeError(f'all {DOMAINS} ROS domains are in use by other processes of yours')
