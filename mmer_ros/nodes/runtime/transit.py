# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""How long messages were on the way, by clocks that may differ, and which of them are old."""

from __future__ import annotations

from typing import Any

BACKLOG_S = 3.0  # after subscribing, the messages that a publisher has kept arrive
DRIFT = 1e-4     # of the clocks of two computers, seconds a second
SENDERS = 64     # whose fastest message is remembered


class Transit:
    """
    Judge messages by when they were published and received.

    >>> transit = Transit(since=90.0)
    >>> transit.begin(100.0)
    >>> transit.measure('robot', 105.0, 107.2)  # the clocks differ, by 2.2 s at most
    0.0
    >>> round(transit.measure('robot', 106.0, 108.5), 1)
    0.3

    :param since: what was published before is old, seconds since 1970; math.inf: all that was
        published before the subscription.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._began = 0.0
        self._old: set[tuple[str, int, str]] = set()  # utterances whose beginning is old
        self._fastest: dict[Any, tuple[float, float]] = {}  # seconds, and when that was

    def begin(self, now: float) -> None:
        """Note that the subscription begins, seconds since 1970."""
        self._began = now

    def is_old(self, message: Any, sent: float, received: float) -> bool:
        """
        Return whether a kept message belongs to an utterance that began too long ago.

        :param sent: when it was published, by the clock of its sender; seconds since 1970.
        :param received: when it arrived, by our clock.
        """
        if received - self._began > BACKLOG_S:
            return False
        utterance = message.source, message.session, message.utterance_id
        if sent < self._since:
            self._old.add(utterance)
        return sent < self._began and utterance in self._old

    def measure(self, sender: Any, sent: float, received: float) -> float | None:
        """
        Return how much longer a message was on the way than the fastest of its sender, seconds.

        :return: None for what was published before the subscription began.
        """
        if sent < self._began and received - self._began <= BACKLOG_S:
            return None
        seconds = received - sent
        fastest, at = self._fastest.pop(sender, (seconds, received))
        fastest = min(seconds, fastest + DRIFT * (received - at))
        self._fastest[sender] = fastest, received
        while len(self._fastest) > SENDERS:
            del self._fastest[next(iter(self._fastest))]
        return seconds - fastest
