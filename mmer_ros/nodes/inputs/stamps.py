# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Capture times of messages, by the clock of their stamps."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.inputs.topic_input import Tell
from mmer_ros.sensing.frozen_stamps import frozen_text, FrozenStamps
from mmer_ros.sensing.stream_clock import StreamClock, when_spoken

UNSTAMPED = ('{kind}: the header has no stamp; the time of arrival is used instead, which shifts '
             'and jitters; let the driver stamp its messages')
NO_HEADER = ('{kind}: messages of this type have no stamp; the time of arrival is used instead, '
             'which shifts and jitters, and lost messages go unnoticed; use a stamped type, as '
             'audio_stamped of ros-drivers or mmer_msgs/AudioChunk')


class Stamps:
    """
    Tell when messages were captured.

    :param now: the present as capture time, seconds.
    :param stream_clock: is told of each stamp.
    :param frames: kind -> frame_id of its last message; filled here.
    """

    def __init__(self, now: Callable[[], float], stream_clock: StreamClock,
                 frames: dict[str, str], tell: Tell) -> None:
        """Start with nothing stamped."""
        self.now = now
        self._stream_clock = stream_clock
        self._frames = frames
        self._tell = tell
        self._frozen = FrozenStamps()

    def captured(self, kind: str, message: Any) -> float | None:
        """Return the capture time in the message, seconds; tell if there is none."""
        header = getattr(message, 'header', None)
        self._frames[kind] = header.frame_id if header else ''
        stamp = to_seconds(header.stamp) if header else 0.0
        if stamp > 0 and self._frozen.is_frozen(kind, stamp, time.monotonic()):
            self._tell(f'{kind}_frozen', frozen_text(kind))
            return None
        if stamp > 0:
            self.saw(stamp)
            return stamp
        self._tell(f'{kind}_unstamped', (UNSTAMPED if header else NO_HEADER).format(kind=kind))
        return None

    def saw(self, stamp: float) -> None:
        """Note that capture time `stamp` (seconds) is reached."""
        self._stream_clock.saw(stamp, time.monotonic())

    def spoken(self, message: Any) -> float:
        """Return when words were spoken as far as their stamp tells, else the present; seconds."""
        header = getattr(message, 'header', None)
        return when_spoken(to_seconds(header.stamp) if header else 0.0, self.now())
