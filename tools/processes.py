# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Nodes as processes of their own, and what they cost; for demo and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

STOP_S = 10.0  # a node must end within this after SIGINT
TICKS = 100  # of the processor's clock, a second


@contextmanager
def node_process(name: str, parameters: Mapping[str, Any], log: Path, *, namespace: str = ''
                 ) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a node while the block runs, then interrupt it.

    :param name: 'emotion', 'segmenter' or 'estimator'.
    """
    command = [sys.executable, '-m', 'mmer_ros.nodes.executables', name, '--ros-args']
    if namespace:
        command += ['-r', f'__ns:={namespace}']
    for key, value in parameters.items():
        command += ['-p', f'{key}:={_yaml(value)}']
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('wb') as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "''" if value in ('', None) else str(value)


@dataclass(frozen=True)
class Usage:
    """
    What a process has used so far (Linux).

    :param cpu_s: of the processor, seconds.
    :param memory_mb: resident, and `peak_mb` the most of it so far.
    """

    cpu_s: float
    memory_mb: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Return what a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    status = dict(line.split(':', 1) for line in
                  Path(f'/proc/{pid}/status').read_text().splitlines())
    return Usage((int(fields[11]) + int(fields[12])) / TICKS,
                 int(status['VmRSS'].split()[0]) / 1024, int(status['VmHWM'].split()[0]) / 1024)


def cpu_share(pid: int, seconds: float) -> float:
    """Return which share of one core a process uses during the next seconds."""
    before, begin = usage(pid).cpu_s, time.monotonic()
    time.sleep(seconds)
    return (usage(pid).cpu_s - before) / (time.monotonic() - begin)
