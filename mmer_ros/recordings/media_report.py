# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What a media file promises and does not hold: damaged packets, gaps, an end that is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

TAIL_S = 0.25  # codecs round the end of a stream by up to a frame or two
JITTER_S = 0.04  # stamps of containers are rounded; a larger step in the audio is a gap


@dataclass
class StreamReport:
    """
    How far one stream of a file could be decoded.

    :param kind: audio or video.
    :param promised_s: where the file says that the stream ends, seconds from the start of the
        file; 0 if it does not say.
    :param until_s: end of the last sample or image, seconds from the start of the file.
    :param lost: what was lost to damage within the stream, from and to, seconds from the start of
        the file.
    :param gaps: where samples or images pause for no damage that the decoder reports, from and
        to, seconds from the start of the file.
    :param damaged: times of the packets that are damaged, seconds from the start of the file.
    :param concealed: images that the decoder completed from their neighbours.
    :param counted: the format stores no times; those of what follows damage are a guess.
    :param is_cut: the file ends within a packet.
    """

    kind: str
    promised_s: float = 0.0
    until_s: float = 0.0
    decoded: int = 0
    damaged: list[float] = field(default_factory=list)
    concealed: int = 0
    lost: list[tuple[float, float]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    counted: bool = False
    is_cut: bool = False
    _sent: list[float] = field(default_factory=list)  # times of packets that nothing came of yet

    @property
    def missing_s(self) -> float:
        """Seconds that were lost to damage within the stream."""
        return sum(end - start for start, end in self.lost)

    @property
    def tail_s(self) -> float:
        """Seconds that are missing at the end."""
        tail = self.promised_s - self.until_s
        return tail if self.promised_s and tail > TAIL_S else 0.0

    def sent(self, time: float) -> None:
        """Note that a packet was given to the decoder, of this time in seconds."""
        self._sent.append(time)

    def arrived(self, start: float, end: float, slack: float) -> float:
        """
        Note a frame and return how long the stream was interrupted before it.

        :param start: of the frame, seconds from the start of the file.
        :param slack: a longer step than this from the frame before is an interruption, seconds.
        """
        gap, before = start - self.until_s, self.until_s
        self.decoded += 1
        held = sum(before - slack < time < start - slack for time in self._sent)
        self._sent = [time for time in self._sent if time > start]
        self.until_s = max(self.until_s, end)
        if gap <= slack:
            return 0.0
        swallowed = gap > TAIL_S and held * (end - start) > gap / 2
        if swallowed or any(before - gap - slack <= time <= start + slack
                            for time in self.damaged):
            self.lost.append((before, start))
            return gap
        if self.decoded > 1 and gap > JITTER_S:
            self.gaps.append((before, start))
            return gap
        return 0.0

    def problem(self) -> str:
        """Return a sentence about what is missing; '' if nothing is."""
        if not self.decoded:
            return f'its {self.kind} cannot be decoded; the file is used without it'
        parts = []
        if self.damaged:
            many = len(self.damaged) > 1
            parts.append(f'{len(self.damaged)} packet{"s" * many} of its {self.kind} '
                         f'{"are" if many else "is"} damaged, at {min(self.damaged):.2f} s'
                         + (f' to {max(self.damaged):.2f} s' if many else ''))
        if self.lost:
            where = 'there' if self.damaged else f'from {self.lost[0][0]:.2f} s on'
            parts.append(f'{self.missing_s:.2f} s of {self.kind} are missing {where}')
        if self.concealed:
            parts.append(f'{self.concealed} images are damaged')
        if self.damaged and self.counted:
            parts.append('the times after it are a guess, since the format stores none')
        if self.is_cut and not self.tail_s:
            parts.append(f'its {self.kind} breaks off after {self.until_s:.1f} s, as in a file '
                         'that was cut off')
        if self.tail_s:
            parts.append(f'its {self.kind} ends after {self.until_s:.1f} s of '
                         f'{self.promised_s:.1f} s, as in a file that was cut off')
        return '; '.join(parts)


@dataclass
class MediaReport:
    """
    What was noticed while a file was read; complete when the reading is over.

    :param notices: choices that a user should know, a sentence each.

    >>> report = MediaReport()
    >>> items = list(read_media(path, FrameSampler(5.0), report))
    >>> report.problems
    ['2 packets of its audio are damaged, at 3.20 s to 3.23 s; 0.05 s of audio are missing there']
    """

    streams: dict[str, StreamReport] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def stream(self, kind: str) -> StreamReport:
        """Return the report on the audio or the video, a new one at first."""
        return self.streams.setdefault(kind, StreamReport(kind))

    @property
    def until_s(self) -> float:
        """End of the last sample or image, seconds from the start of the file."""
        return max((stream.until_s for stream in self.streams.values()), default=0.0)

    @property
    def problems(self) -> list[str]:
        """A sentence about each stream of which something is missing."""
        found = [stream.problem() for stream in self.streams.values()]
        kinds = ' and '.join(f'its {kind}' for kind in self.streams)
        found.append(_sentence(kinds, self._common_gaps(), 'as in a file that is damaged'))
        return [problem for problem in found if problem]

    def note_gaps(self) -> None:
        """
        Add a notice about the pauses of the audio, if the video goes on meanwhile.

        A pause of one stream while the other has lost something to damage is of the same damage.
        """
        for stream in self.streams.values():
            lost = [span for other in self.streams.values() if other is not stream
                    for span in other.lost]
            same = [gap for gap in stream.gaps if any(_meet(gap, span) for span in lost)]
            stream.gaps = [gap for gap in stream.gaps if gap not in same]
            stream.lost += same
        if 'audio' in self.streams and not self._common_gaps():
            notice = _sentence('its audio', self.streams['audio'].gaps, 'taken for silence')
            self.notices += [notice] if notice else []

    def _common_gaps(self) -> list[tuple[float, float]]:
        """Return where all streams pause."""
        audio = self.streams['audio'].gaps if 'audio' in self.streams else []
        if 'video' not in self.streams:
            return audio
        return [(max(a, c), min(b, d)) for a, b in audio for c, d in self.streams['video'].gaps
                if _meet((a, b), (c, d))]


def _meet(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def _sentence(what: str, gaps: Sequence[tuple[float, float]], why: str) -> str:
    if not gaps:
        return ''
    start, seconds = gaps[0][0], sum(end - start for start, end in gaps)
    times = f', {len(gaps)} times from {start:.2f} s on' if len(gaps) > 1 else f' at {start:.2f} s'
    return f'{what}: a pause of {seconds:.2f} s{times}, {why}'
