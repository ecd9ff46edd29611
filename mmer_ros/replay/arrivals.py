# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages of a recording as the node's callbacks pass them on: stamped, sampled, converted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mmer_ros.interfaces.audio import AudioReader, duration
from mmer_ros.interfaces.images import compressed_to_rgb, image_to_rgb, MAX_PIXELS
from mmer_ros.interfaces.transcripts import to_words
from mmer_ros.recordings.recording import COMPRESSED_IMAGE, NANOSECONDS, Recorded, Recording
from mmer_ros.replay.topics import Topics
from mmer_ros.sensing.clock_offsets import ARRIVAL, AUTO, ClockOffsets, LIMIT_S, seconds
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.frozen_stamps import frozen_text, FrozenStamps
from mmer_ros.sensing.stream_clock import AUDIO, IDLE_LAG_S, IDLE_S, StreamClock, when_spoken
from mmer_ros.sensing.unstamped_audio import UnstampedAudio
from mmer_ros.types import AudioBlock, InvalidInput, StreamEvent, Transcript, UInt8, VideoFrame

IDLE_STEPS = 600  # longer pauses change nothing: all limits have passed by then


@dataclass(frozen=True)
class Arrival:
    """
    A message, or the passing of time, on its way to the pipeline.

    :param kind: audio, image, image_time (an image left out by the sampler), transcript,
        own_speaking, own_speech, idle, or '' for nothing.
    :param time_ns: time of recording.
    :param now: the same as capture time, seconds.
    :param stamp: capture time for the pipeline, seconds.
    :param content: input for the pipeline.
    :param frame_id: of the camera, else of the microphone, as known by then.
    """

    kind: str
    time_ns: int
    now: float
    stamp: float = 0.0
    content: AudioBlock | VideoFrame | Transcript | bool | None = None
    frame_id: str = ''
    events: tuple[StreamEvent, ...] = ()


class Arrivals:
    """
    Turn recorded messages into arrivals, in the order of their recording.

    A node that keeps up receives them in the same order. As in the node, time passes in pauses;
    unlike in the node, no message is lost.

    :param topics: those that are replayed; messages of others arrive as nothing.
    :param stamps: how stamps are used, one of clock_offsets.STAMPS.
    :param limit_s: as in clock_offsets.ClockOffsets.
    :param max_pixels: larger images are refused.
    """

    def __init__(self, recording: Recording, topics: Topics, sampler: FrameSampler, *,
                 stamps: str = AUTO, limit_s: float = LIMIT_S,
                 max_pixels: int = MAX_PIXELS) -> None:
        self.clock = StreamClock()
        self.notices: list[str] = []
        self._recording = recording
        self._kinds = topics.kinds
        self._audio = AudioReader(topics.audio_format)
        self._frozen = FrozenStamps()
        self._unstamped = UnstampedAudio()
        self._sampler = sampler
        self._stamps = stamps
        self._max_pixels = max_pixels
        self._offsets = ClockOffsets(limit_s, self._on_shift)
        self._frames: dict[str, str] = {}
        self._last: float | None = None  # time of the message before
        self._time, self._time_ns = 0.0, 0  # of the current message
        self._placed: list[Arrival] = []

    def convert(self, recorded: Recorded) -> Iterator[Arrival]:
        """
        Yield the pauses since the message before, then what arrives with the message.

        That may be more than one message, or none: the first messages of a sensor whose clock is
        wrong are held back until its offset is known.
        """
        kind = self._kinds.get(recorded.topic)
        if kind is None:
            yield Arrival('', recorded.time_ns, recorded.time)
            return
        yield from self._pauses(recorded.time)
        self._last = self._time = recorded.time
        self._time_ns = recorded.time_ns
        with self._guarded(kind):
            self._convert(kind, recorded)
        yield from self._arrived()

    def flush(self) -> Iterator[Arrival]:
        """Yield what is held back at the end of the recording."""
        self._offsets.flush()
        return self._arrived()

    def _arrived(self) -> Iterator[Arrival]:
        placed, self._placed = self._placed, []
        yield from placed or [Arrival('', self._time_ns, self._now)]

    @property
    def _now(self) -> float:
        return self.clock.now(self._time)

    def _event(self, kind: str, text: str) -> None:
        event = StreamEvent(kind, self._now, text)
        self._placed.append(Arrival('', self._time_ns, self._now, events=(event,)))

    @contextmanager
    def _guarded(self, kind: str) -> Iterator[None]:
        """Turn the error of a message that cannot be used into an event."""
        try:
            yield
        except InvalidInput as error:
            self._event(kind, str(error))

    def _pauses(self, until: float) -> Iterator[Arrival]:
        if self._last is None:
            return
        for step in range(1, IDLE_STEPS + 1):
            moment = self._last + step * IDLE_S
            if moment >= until:
                return
            yield from self._released(moment)
            yield self._idle(moment)
        yield self._idle(until)

    def _released(self, moment: float) -> Iterator[Arrival]:
        """Yield what waited in vain for another message."""
        self._offsets.advance(moment)
        placed, self._placed = self._placed, []
        yield from placed

    def _idle(self, moment: float) -> Arrival:
        now = self.clock.now(moment)
        return Arrival('idle', round(moment * NANOSECONDS), now, now - IDLE_LAG_S,
                       frame_id=self._frame_id)

    @property
    def _frame_id(self) -> str:
        return self._frames.get('image') or self._frames.get('audio', '')

    def _convert(self, kind: str, recorded: Recorded) -> None:
        message = self._recording.decode(recorded)
        if kind in ('transcript', 'own_speech'):
            self._convert_words(kind, message)
            return
        if kind == 'own_speaking':
            stamp = self._spoken(message)
            self._add(kind, stamp, bool(message.data))
            return
        header = getattr(message, 'header', None)
        self._frames[kind] = header.frame_id if header else ''
        captured = self._captured(kind, header)
        if kind == 'audio':
            self._convert_audio(message, captured)
            return
        is_compressed = recorded.msgtype == COMPRESSED_IMAGE
        add = partial(self._add_image,
                      partial(compressed_to_rgb if is_compressed else image_to_rgb, message,
                              self._max_pixels))
        if captured is None:
            add(self._now)
        else:
            self._place(kind, message, add)

    def _captured(self, kind: str, header: Any) -> float | None:
        """Return the stamp of a message, as Stamps.captured of the node."""
        if self._stamps == ARRIVAL:
            return None
        stamp = seconds(header.stamp) if header else 0.0
        if stamp > 0 and self._frozen.is_frozen(kind, stamp, self._time):
            self._event(f'{kind}_frozen', frozen_text(kind))
            self._offsets.forget(kind)
            return None
        if stamp > 0:
            return stamp
        self._event(f'{kind}_unstamped', (
            f'{kind}: the messages have no stamp; the time of recording is used instead, which '
            'shifts and jitters; let the driver stamp its messages'))
        return None

    def _place(self, kind: str, message: Any, add: Callable[[float], None],
               length: float = 0.0) -> None:
        """Add a message as soon as the clock of its input is known, as Stamps.place."""
        stamp = message.header.stamp

        def placed(shift: float) -> None:
            captured = seconds(stamp, shift)
            self.clock.saw(kind, captured + length, self._time)
            with self._guarded(kind):
                add(captured)

        if self._stamps == AUTO:
            self._offsets.push(kind, seconds(stamp) + length, self._time, placed)
        else:
            placed(0.0)

    def _add_image(self, decode: Callable[[], UInt8], stamp: float) -> None:
        if self._sampler.take(stamp):
            self._add('image', stamp, VideoFrame(stamp, decode()))
        else:
            self._add('image_time', stamp)

    def _convert_audio(self, message: Any, captured: float | None) -> None:
        block = self._audio.read(message, captured or 0.0)
        length = duration(block)
        if captured is None:
            stamp = self._unstamped.stamp(self._now, length)
            self.clock.saw(AUDIO, stamp + length, self._time)
            self._add_audio(block, 0.0, stamp)
            return
        rest = captured - block.stamp  # of the message before, which ended in mid-sample
        self._place(AUDIO, message, partial(self._add_audio, block, rest), length - rest)

    def _add_audio(self, block: AudioBlock, rest: float, stamp: float) -> None:
        start = stamp - rest
        self._add('audio', start, replace(block, stamp=start))

    def _convert_words(self, kind: str, message: Any) -> None:
        words = to_words(message)
        if words.final:
            stamp = self._spoken(message)
            self._add(kind, stamp, Transcript(stamp, words.text, language=words.language))

    def _spoken(self, message: Any) -> float:
        """Return the capture time of words, as Stamps.spoken of the node."""
        header = getattr(message, 'header', None)
        return when_spoken(seconds(header.stamp) if header and self._stamps != ARRIVAL else 0.0,
                           self._now, self._offsets.shift(AUDIO))

    def _add(self, kind: str, stamp: float,
             content: AudioBlock | VideoFrame | Transcript | bool | None = None) -> None:
        self._placed.append(Arrival(kind, self._time_ns, self._now, stamp, content,
                                    self._frame_id))

    def _on_shift(self, kind: str, shift: float) -> None:
        text = ClockOffsets.describe(kind, shift)
        self.notices.append(text)
        self._event(f'{kind}_clock', text)
