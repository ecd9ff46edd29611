# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""CPU and memory use of this process."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path
import sys
import time

MEGABYTE = 1e6
STATUS = Path('/proc/self/statm')


def resident_mb() -> float | None:
    """Return the resident memory of this process, MB; None where it is not known."""
    try:
        pages = int(STATUS.read_text(encoding='ascii').split()[1])
    except (OSError, IndexError, ValueError):  # not Linux
        return None
    return pages * os.sysconf('SC_PAGE_SIZE') / MEGABYTE


def started_at() -> float:
    """Return when this process was started, seconds since 1970; now where it is not known."""
    try:
        fields = Path('/proc/self/stat').read_text(encoding='ascii').rpartition(')')[2].split()
        ticks = int(fields[19])  # of the clock, from the start of the system
        uptime = float(Path('/proc/uptime').read_text(encoding='ascii').split()[0])
    except (OSError, IndexError, ValueError):  # not Linux
        return time.time()
    return time.time() - max(uptime - ticks / os.sysconf('SC_CLK_TCK'), 0.0)


def gpu_mb(device: str) -> float | None:
    """Return the memory that torch holds on a GPU, MB; None for other devices."""
    if not device.startswith('cuda'):
        return None
    return float(sys.modules['torch'].cuda.memory_reserved(device)) / MEGABYTE


def release_memory() -> None:
    """Return freed memory to the system, which the allocators would otherwise keep."""
    gc.collect()
    torch = sys.modules.get('torch')  # not imported for this
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # another C library than glibc
        pass


class CpuUsage:
    """CPU time of the process between two calls."""

    def __init__(self) -> None:
        self._last = time.monotonic(), time.process_time()

    def percent(self) -> float:
        """Return the CPU time since the last call, in percent of one core."""
        now = time.monotonic(), time.process_time()
        passed, used = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return 100 * used / max(passed, 1e-9)
