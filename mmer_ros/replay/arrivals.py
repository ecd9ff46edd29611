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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mmer_ros.interfaces.audio import AudioReader, duration
from mmer_ros.interfaces.images import compressed_to_rgb, image_to_rgb
from mmer_ros.interfaces.transcripts import to_words
from mmer_ros.recordings.recording import COMPRESSED_IMAGE, NANOSECONDS, Recorded, Recording
from mmer_ros.replay.topics import Topics
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.frozen_stamps import frozen_text, FrozenStamps
from mmer_ros.sensing.stream_clock import IDLE_LAG_S, IDLE_S, StreamClock, when_spoken
from mmer_ros.sensing.unstamped_audio import UnstampedAudio
from mmer_ros.types import AudioBlock, InvalidInput, StreamEvent, Transcript, VideoFrame

IDLE_STEPS = 600  # longer pauses change nothing: all limits have passed by then


@dataclass(frozen=True)
class Arrival:
    """
    A message, or the passing of time, on its way to the pipeline.

    :param kind: audio, image, image_time (an image left out by the sampler), transcript, idle,
        or '' for nothing.
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
    content: AudioBlock | VideoFrame | Transcript | None = None
    frame_id: str = ''
    events: tuple[StreamEvent, ...] = ()


class Arrivals:
    """
    Turn recorded messages into arrivals, in the order of their recording.

    A node that keeps up receives them in the same order. As in the node, time passes in pauses;
    unlike in the node, no message is lost.

    :param topics: those that are replayed; messages of others arrive as nothing.
    """

    def __init__(self, recording: Recording, topics: Topics, sampler: FrameSampler) -> None:
        self.clock = StreamClock()
        self._recording = recording
        self._kinds = topics.kinds
        self._audio = AudioReader(topics.audio_format)
        self._frozen = FrozenStamps()
        self._unstamped = UnstampedAudio()
        self._sampler = sampler
        self._frames: dict[str, str] = {}
        self._last: float | None = None  # time of the message before

    def convert(self, recorded: Recorded) -> Iterator[Arrival]:
        """Yield the pauses since the message before, then the message."""
        kind = self._kinds.get(recorded.topic)
        if kind is None:
            yield Arrival('', recorded.time_ns, recorded.time)
            return
        yield from self._pauses(recorded.time)
        self._last = recorded.time
        try:
            yield self._arrival(kind, recorded)
        except InvalidInput as error:
            now = self.clock.now(recorded.time)
            event = StreamEvent(kind, now, str(error))
            yield Arrival('', recorded.time_ns, now, events=(event,))

    def _pauses(self, until: float) -> Iterator[Arrival]:
        if self._last is None or not self._frames:
            return
        for step in range(1, IDLE_STEPS + 1):
            moment = self._last + step * IDLE_S
            if moment >= until:
                return
            yield self._idle(moment)
        yield self._idle(until)

    def _idle(self, moment: float) -> Arrival:
        now = self.clock.now(moment)
        return Arrival('idle', round(moment * NANOSECONDS), now, now - IDLE_LAG_S,
                       frame_id=self._frame_id)

    @property
    def _frame_id(self) -> str:
        return self._frames.get('image') or self._frames.get('audio', '')

    def _arrival(self, kind: str, recorded: Recorded) -> Arrival:
        message = self._recording.decode(recorded)
        if kind == 'transcript':
            return self._words(message, recorded)
        header = getattr(message, 'header', None)
        self._frames[kind] = header.frame_id if header else ''
        captured, events = self._stamp(kind, header, recorded.time)
        content: AudioBlock | VideoFrame | None = None
        stamp = captured or self.clock.now(recorded.time)
        if kind == 'audio':
            content = self._block(message, captured, recorded.time)
            stamp = content.stamp
        elif self._sampler.take(stamp):
            is_compressed = recorded.msgtype == COMPRESSED_IMAGE
            content = VideoFrame(stamp, compressed_to_rgb(message) if is_compressed
                                 else image_to_rgb(message))
        else:
            kind = 'image_time'
        return Arrival(kind, recorded.time_ns, self.clock.now(recorded.time), stamp, content,
                       self._frame_id, events)

    def _words(self, message: Any, recorded: Recorded) -> Arrival:
        now = self.clock.now(recorded.time)
        words = to_words(message)
        if not words.final:
            return Arrival('', recorded.time_ns, now)
        header = getattr(message, 'header', None)
        stamp = when_spoken(_seconds(header.stamp) if header else 0.0, now)
        return Arrival('transcript', recorded.time_ns, now, stamp,
                       Transcript(stamp, words.text, language=words.language), self._frame_id)

    def _block(self, message: Any, captured: float | None, time: float) -> AudioBlock:
        block = self._audio.read(message, captured or 0.0)
        length = duration(block)
        if captured is None:
            block = replace(block, stamp=self._unstamped.stamp(self.clock.now(time), length))
        self.clock.saw(block.stamp + length, time)
        return block

    def _stamp(self, kind: str, header: Any,
               time: float) -> tuple[float | None, tuple[StreamEvent, ...]]:
        stamp = _seconds(header.stamp) if header else 0.0
        if stamp > 0 and self._frozen.is_frozen(kind, stamp, time):
            return None, (StreamEvent(f'{kind}_frozen', self.clock.now(time), frozen_text(kind)),)
        if stamp > 0:
            self.clock.saw(stamp, time)
            return stamp, ()
        return None, (StreamEvent(f'{kind}_unstamped', self.clock.now(time), (
            f'{kind}: the messages have no stamp; the time of recording is used instead, which '
            'shifts and jitters; let the driver stamp its messages')),)


def _seconds(stamp: Any) -> float:
    return float(stamp.sec + stamp.nanosec / NANOSECONDS)
