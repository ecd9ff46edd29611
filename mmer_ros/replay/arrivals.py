"""Messages of a recording as the node's callbacks take them: stamped, sampled, converted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.faces import FrameSampler
from mmer_ros.messages import chunk_to_block, compressed_to_rgb, image_to_rgb
from mmer_ros.recording import COMPRESSED_IMAGE, NANOSECONDS, Recorded, Recording
from mmer_ros.stream_clock import IDLE_LAG_S, IDLE_S, StreamClock
from mmer_ros.types import AudioBlock, InvalidInput, StreamEvent, Transcript, VideoFrame

IDLE_STEPS = 600  # longer pauses than these change nothing any more: all limits are passed


@dataclass(frozen=True)
class Arrival:
    """
    A message, or the passing of time, on its way to the pipeline.

    :param kind: audio, image, image_time (not looked at), transcript, idle, or '' for nothing.
    :param time_ns: when it was recorded.
    :param now: the same as capture time, seconds.
    :param stamp: capture time that the pipeline is told, seconds.
    :param content: what the pipeline is given.
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

    That is the order in which a node that keeps up takes them. Like it, this tells the pipeline
    of the time in pauses; unlike it, no message is lost.

    :param kinds: topic -> image, audio or transcript; other topics arrive as nothing.
    """

    def __init__(self, recording: Recording, kinds: Mapping[str, str],
                 sampler: FrameSampler) -> None:
        """Start before the first message."""
        self.clock = StreamClock()
        self._recording = recording
        self._kinds = kinds
        self._sampler = sampler
        self._frames: dict[str, str] = {}
        self._last: float | None = None  # time of the message before

    def take(self, recorded: Recorded) -> Iterator[Arrival]:
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
            stamp = self.clock.now(recorded.time)
            return Arrival(kind, recorded.time_ns, stamp, stamp,
                           Transcript(stamp, message.data), self._frame_id)
        self._frames[kind] = message.header.frame_id
        stamp, events = self._stamp(kind, message.header, recorded.time)
        content: AudioBlock | VideoFrame | None = None
        if kind == 'audio':
            length = len(message.samples) / max(message.channels, 1) / max(message.sample_rate, 1)
            self.clock.saw(stamp + length, recorded.time)
            content = chunk_to_block(message, stamp)
        elif self._sampler.take(stamp):
            is_compressed = recorded.msgtype == COMPRESSED_IMAGE
            content = VideoFrame(stamp, compressed_to_rgb(message) if is_compressed
                                 else image_to_rgb(message))
        else:
            kind = 'image_time'
        return Arrival(kind, recorded.time_ns, self.clock.now(recorded.time), stamp, content,
                       self._frame_id, events)

    def _stamp(self, kind: str, header: Any, time: float) -> tuple[float, tuple[StreamEvent, ...]]:
        stamp = header.stamp.sec + header.stamp.nanosec / NANOSECONDS
        if stamp > 0:
            self.clock.saw(stamp, time)
            return stamp, ()
        now = self.clock.now(time)
        return now, (StreamEvent(f'{kind}_unstamped', now, (
            f'{kind}: the header has no stamp; the time of recording is used instead, which '
            'shifts and jitters; let the driver stamp its messages')),)
