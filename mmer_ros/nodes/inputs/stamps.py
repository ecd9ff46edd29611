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

from mmer_ros.nodes.inputs.topic_input import OnFault
from mmer_ros.sensing.clock_offsets import ARRIVAL, AUTO, ClockOffsets, LIMIT_S, seconds
from mmer_ros.sensing.frozen_stamps import frozen_text, FrozenStamps
from mmer_ros.sensing.stream_clock import AUDIO, StreamClock, when_spoken

UNSTAMPED = ('{kind}: the header has no stamp; the time of arrival is used instead, which shifts '
             'and jitters; let the driver stamp its messages')
NO_HEADER = ('{kind}: messages of this type have no stamp; the time of arrival is used instead, '
             'which shifts and jitters, and lost messages go unnoticed; use a stamped type, as '
             'audio_stamped of ros-drivers or mmer_msgs/AudioChunk')


class Stamps:
    """
    Capture times of messages.

    :param now: the present as capture time, seconds.
    :param stream_clock: takes note of each stamp.
    :param frames: kind -> frame_id of its last message; filled here.
    :param on_fault: takes the kind and the text of each fault.
    :param clock: by which messages arrive, seconds.
    :param passing: by which the stream clock counts, seconds.
    :param mode: how stamps are used, one of clock_offsets.STAMPS.
    :param limit_s: as in clock_offsets.ClockOffsets.
    """

    def __init__(self, now: Callable[[], float], stream_clock: StreamClock,
                 frames: dict[str, str], on_fault: OnFault, *, clock: Callable[[], float],
                 passing: Callable[[], float] = time.monotonic, mode: str = AUTO,
                 limit_s: float = LIMIT_S) -> None:
        self.now = now
        self._stream_clock = stream_clock
        self._frames = frames
        self._on_fault = on_fault
        self._clock = clock
        self._passing = passing
        self._mode = mode
        self._frozen = FrozenStamps()
        self._offsets = ClockOffsets(limit_s, self._on_shift)

    @property
    def shifts(self) -> dict[str, float]:
        """What is added to the stamps of the inputs whose clocks are wrong, seconds."""
        return self._offsets.shifts

    @property
    def is_releasing(self) -> bool:
        """Whether the message that is being passed on was held back."""
        return self._offsets.is_releasing

    def captured(self, kind: str, message: Any) -> float | None:
        """Return the stamp of a message, seconds; None if it has none that can be used."""
        header = getattr(message, 'header', None)
        self._frames[kind] = header.frame_id if header else ''
        if self._mode == ARRIVAL:
            return None
        stamp = seconds(header.stamp) if header else 0.0
        if stamp > 0 and self._frozen.is_frozen(kind, stamp, self._passing()):
            self._on_fault(f'{kind}_frozen', frozen_text(kind))
            self._offsets.forget(kind)
            return None
        if stamp > 0:
            return stamp
        self._on_fault(f'{kind}_unstamped',
                       (UNSTAMPED if header else NO_HEADER).format(kind=kind))
        return None

    def place(self, kind: str, message: Any, hand_on: Callable[[float], None],
              length: float = 0.0) -> None:
        """
        Pass a stamped message on as soon as the clock of its input is known.

        :param hand_on: takes its capture time, seconds.
        :param length: of its audio, seconds.
        """
        stamp = message.header.stamp

        def placed(shift: float) -> None:
            captured = seconds(stamp, shift)
            self.saw(kind, captured + length)
            hand_on(captured)

        arrival = self._clock()
        if self._mode == AUTO and arrival > 0:
            self._offsets.push(kind, seconds(stamp) + length, arrival, placed)
        else:  # simulated time has not begun: there is nothing to compare with
            placed(0.0)

    def advance(self) -> None:
        """Pass on what waits in vain for another message; call it now and then."""
        self._offsets.advance(self._clock())

    def saw(self, kind: str, stamp: float) -> None:
        """Note that an input has reached capture time `stamp`, seconds."""
        self._stream_clock.saw(kind, stamp, self._passing())

    def spoken(self, message: Any) -> float:
        """Return the capture time of words by their stamp, or else the present; seconds."""
        header = getattr(message, 'header', None)
        stamp = seconds(header.stamp) if header and self._mode != ARRIVAL else 0.0
        return when_spoken(stamp, self.now(), self._offsets.shift(AUDIO))

    def _on_shift(self, kind: str, shift: float) -> None:
        self._on_fault(f'{kind}_clock', ClockOffsets.describe(kind, shift))
