# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Computers in a network of given quality, on this computer: network namespaces and a relay.

>>> with network({'robot': Link(loss=0.05, rate=1e6), 'desk': Link()}) as net:  # doctest: +SKIP
...     subprocess.run([*net.on('robot'), 'ping', '-c1', net.address('desk')])

It needs Linux with user namespaces, /dev/net/tun, and the commands ip, unshare and nsenter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import ctypes
from dataclasses import asdict, dataclass
import fcntl
import heapq
import json
import os
from pathlib import Path
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from typing import Any

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
FRAME = 65_536  # bytes read at once
HOST = 'mount -t tmpfs none /dev/shm; ip link set lo up; echo up; exec cat'
MULTICAST = 0x01  # bit of the first byte of an address
EVERY_S = 0.2  # between two looks at whether to end


@dataclass(frozen=True)
class Link:
    """
    What is between a computer and the switch.

    :param loss: share of the frames that are lost, in each direction.
    :param rate: bit/s, for both directions together as on Wi-Fi; 0: unlimited.
    :param queue: bytes that wait for a slow link; more are dropped.
    :param delay_s: in each direction, seconds.
    """

    loss: float = 0.0
    rate: float = 0.0
    queue: int = 128_000
    delay_s: float = 0.001


class Network:
    """A running network."""

    def __init__(self, process: subprocess.Popen[str], hosts: Mapping[str, int]) -> None:
        self._process = process
        self._pids = dict(hosts)

    def on(self, host: str) -> list[str]:
        """Return the words that begin a command which is to run on a computer."""
        return ['nsenter', '--preserve-credentials', '-U', '-n', '-m', '-t',
                str(self._pids[host]), '--']

    def address(self, host: str) -> str:
        """Return the address of a computer."""
        return _address(list(self._pids).index(host))

    def sent(self) -> dict[str, int]:
        """Return the bytes that each computer has sent so far, lost ones included."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def network(links: Mapping[str, Link]) -> Iterator[Network]:
    """
    Let there be a network while the block runs.

    :raises RuntimeError: if it cannot be made here, saying why.
    """
    for tool in ('ip', 'unshare', 'nsenter'):
        if shutil.which(tool) is None:
            raise RuntimeError(f'the command {tool} is missing')
    process = subprocess.Popen(
        ['unshare', '-Urnm', sys.executable, '-m', 'tools.links',
         json.dumps({name: asdict(link) for name, link in links.items()})],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        if not line.startswith('{'):
            raise RuntimeError('no network of namespaces can be made here: ' + (
                process.stderr.read().strip().splitlines() or ['unshare failed'])[-1])
        yield Network(process, json.loads(line))
    finally:
        process.terminate()
        process.wait()


def _address(index: int) -> str:
    return f'10.77.0.{index + 1}'


def _enter(pid: int) -> None:
    """Let this process be in the network of another."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f'/proc/{pid}/ns/net').open() as place:
        if libc.setns(place.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')


def _tap(index: int) -> int:
    """Give the present network an interface and return what reads and writes its frames."""
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH', b'wifi', IFF_TAP | IFF_NO_PI))
    for words in (f'addr add {_address(index)}/24 dev wifi', 'link set wifi up',
                  'route add default dev wifi'):
        subprocess.run(['ip', *words.split()], check=True)
    return fd


class Relay:
    """
    A switch whose links lose and delay frames.

    :param taps: of the computers, in the order of the links.
    """

    def __init__(self, links: list[Link], taps: list[int], seed: int = 0) -> None:
        self.sent = [0] * len(links)
        self._links = links
        self._taps = taps
        self._random = random.Random(seed)
        self._free = [0.0] * len(links)  # when each link is idle, seconds
        self._waiting: list[tuple[float, int, int, int, bytes]] = []  # due, number, from, to
        self._number = 0
        self._places: dict[bytes, int] = {}

    def turn(self, most_s: float) -> None:
        """Pass frames on until there are none for this long."""
        now = time.monotonic()
        if self._waiting:
            most_s = min(most_s, max(self._waiting[0][0] - now, 0.0))
        ready, _, _ = select.select(self._taps, [], [], most_s)
        for fd in ready:
            index = self._taps.index(fd)
            frame = os.read(fd, FRAME)
            self.sent[index] += len(frame)
            self._places[frame[6:12]] = index
            self._pass(index, None, frame)
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, index, target, frame = heapq.heappop(self._waiting)
            if target >= 0:
                os.write(self._taps[target], frame)
                continue
            known = None if frame[0] & MULTICAST else self._places.get(frame[:6])
            for other in range(len(self._taps)):
                if other != index and known in (None, other):
                    self._pass(index, other, frame)

    def _pass(self, index: int, target: int | None, frame: bytes) -> None:
        """Send a frame over the link from its sender, or over that to its target."""
        at = index if target is None else target
        link, now = self._links[at], time.monotonic()
        if self._random.random() < link.loss:
            return
        due = now
        if link.rate:
            begin = max(now, self._free[at])
            if (begin - now) * link.rate / 8 > link.queue:
                return
            due = self._free[at] = begin + 8 * len(frame) / link.rate
        self._number += 1
        heapq.heappush(self._waiting, (due + link.delay_s, self._number, index,
                                       -1 if target is None else target, frame))


def main() -> int:
    """Serve as the network: hosts by their process on stdout, then counts for each line read."""
    links = {name: Link(**values) for name, values in json.loads(sys.argv[1]).items()}
    hosts: dict[str, subprocess.Popen[Any]] = {
        name: subprocess.Popen(['unshare', '-nm', 'sh', '-c', HOST], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE) for name in links}
    taps = []
    for index, host in enumerate(hosts.values()):
        assert host.stdout is not None
        host.stdout.readline()
        _enter(host.pid)
        taps.append(_tap(index))
    print(json.dumps({name: host.pid for name, host in hosts.items()}), flush=True)
    relay = Relay(list(links.values()), taps)
    while True:
        relay.turn(EVERY_S)
        if select.select([sys.stdin], [], [], 0)[0]:
            if not sys.stdin.readline():
                return 0
            print(json.dumps(dict(zip(links, relay.sent))), flush=True)


if __name__ == '__main__':
    sys.exit(main())
