# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Late, early, bursty and shuffled arrival: it never changes what an utterance holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.sensing.vad import SpeechProbability
from mmer_ros.types import AudioBlock, Int16, SAMPLE_RATE, Transcript, UtterancePart, VideoFrame
import numpy as np
import pytest

from ..fixtures.stream import (
    arriving,
    audio_of,
    BASE,
    blocks,
    by_utterance,
    camera,
    crop,
    Event,
    feed,
    in_order,
    Loudness,
    sample_audio,
    sample_events,
    track,
)

Shift = Callable[[float], float]  # seconds of the stream at which something arrives -> the new one


class Streams(NamedTuple):
    """Each input's messages, by arrival."""

    audio: list[Event]
    images: list[Event]
    words: list[Event]

    def late(self, *, audio: Shift | None = None, images: Shift | None = None,
             words: Shift | None = None) -> Streams:
        """Let messages arrive at other times, those of an input with the same order."""
        return Streams(*(_later(events, shift) for events, shift in (
            (self.audio, audio), (self.images, images), (self.words, words))))

    def in_order(self) -> list[Event]:
        """Return all messages as they arrive, images before audio at the same time."""
        return in_order(self.images, self.audio, self.words)


def _later(events: list[Event], shift: Shift | None) -> list[Event]:
    if shift is None:
        return events
    moved = [Event(BASE + shift(event.arrival - BASE), event.item) for event in events]
    return sorted(moved, key=lambda event: event.arrival)


def withheld(start: float, end: float, until: float | None = None) -> Shift:
    """Return what lets all that would arrive from `start` to `end` arrive at once."""
    return lambda moment: (end if until is None else until) if start < moment < end else moment


def always(lag: float) -> Shift:
    """Return a constant delay."""
    return lambda moment: moment + lag


def wrong(parts: Iterable[UtterancePart], truth: Int16, origin: float = BASE) -> int:
    """Count the parts whose samples are not those of their times; silence may stand for some."""
    count = 0
    for part in parts:
        first = round((part.start - origin) * SAMPLE_RATE)
        expected = truth[first:first + part.audio.size]
        is_right = expected.size == part.audio.size and bool(
            ((part.audio == expected) | (part.audio == 0)).all())
        count += first < 0 or not is_right
    return count


# ------------------------------------------------------------------------------- the sample

LENGTH_S = 40.8
PASSES = 2
UTTERANCES = 10 * PASSES


@cache
def sample() -> Streams:
    """Return the sample twice, its stamps going on, with a made-up face in each image."""
    found = Streams([], [], [])
    for shift in (LENGTH_S * number for number in range(PASSES)):
        for arrival, item in sample_events():
            if isinstance(item, AudioBlock):
                block = AudioBlock(item.stamp + shift, item.sample_rate, item.samples[:, 0])
                found.audio.append(Event(arrival + shift, block))
            elif isinstance(item, Transcript):
                found.words.append(Event(arrival + shift, Transcript(item.stamp + shift,
                                                                     item.text)))
            else:
                stamp = (item.stamp if isinstance(item, VideoFrame) else item[0]) + shift
                found.images.append(Event(arrival + shift, (stamp, [crop(stamp)])))
    return found


def twice_as_many_images(streams: Streams) -> Streams:
    """Return the streams with images at 30 Hz, of which every other one holds no face."""
    between = [Event(when + 1 / 30, (stamp + 1 / 30, [])) for when, (stamp, _) in streams.images]
    return streams._replace(images=in_order(streams.images, between))


def still(streams: Streams, start: float, length: float) -> Streams:
    """Let nothing arrive for a while, then all that was sent meanwhile."""
    shift = withheld(start, start + length)
    return streams.late(audio=shift, images=shift, words=shift)


ARRIVALS: dict[str, Callable[[], Streams]] = {
    'punctual': sample,
    'one image 2 s late': lambda: sample().late(images=lambda t: 13.0 if 11 < t < 11.07 else t),
    'images of 11 to 14 s at 14 s': lambda: sample().late(images=withheld(11, 14)),
    'images of 4 to 36 s in the middle of the audio of 12.5 s':
        lambda: sample().late(images=withheld(4, 36, until=12.5)),
    'nothing for 2 s, camera at 30 Hz':
        lambda: still(twice_as_many_images(sample()), 11.5, 2.0),
    'nothing for 5 s, camera at 15 Hz': lambda: still(sample(), 11.5, 5.0),
    'images always 1.5 s late': lambda: sample().late(images=always(1.5)),
    'audio always 1.5 s late': lambda: sample().late(audio=always(1.5)),
}


@pytest.mark.parametrize('is_arrival_known', [True, False])
@pytest.mark.parametrize('name', ARRIVALS)
def test_the_sample_gives_the_same_utterances_however_it_arrives(
        name: str, is_arrival_known: bool) -> None:
    origin, audio = sample_audio()
    segmenter = UtteranceSegmenter(SegmenterConfig(), SpeechProbability())
    parts = feed(segmenter, ARRIVALS[name]().in_order(), is_arrival_known=is_arrival_known)
    spoken = [part for part in parts if part.audio.size]
    assert len(spoken) > 430
    assert wrong(spoken, np.tile(audio, PASSES), origin) == 0
    assert len(by_utterance(parts)) == UTTERANCES
    assert {part.dialogue for part in parts} == {0}
    kinds = {event.kind for event in segmenter.events}
    assert kinds == ({'image_late'} if name.startswith('one image') else set())


# ------------------------------------------------------------------------------- any arrival

SPEECH = ((1.0, 2.6), (4.0, 5.1), (7.0, 8.4), (10.0, 11.9), (14.0, 15.0), (17.0, 18.5))
TRACK_S = 20.0
SOUND = track(TRACK_S, SPEECH)
MANY = settings(max_examples=50, derandomize=True, deadline=None,
                suppress_health_check=[HealthCheck.too_slow])
moments = st.floats(0.5, TRACK_S - 1.0)
lags = st.floats(0.05, 9.0)


@cache
def streams() -> Streams:
    words = [Event(BASE + end + 0.2, Transcript(BASE + end + 0.2, f'words {number}'))
             for number, (_, end) in enumerate(SPEECH)]
    images = [event if number % 3 == 0 else Event(event.arrival, (event.item[0], []))
              for number, event in enumerate(camera(BASE, BASE + TRACK_S))]  # faces at 5 Hz
    return Streams(arriving(blocks(SOUND, BASE)), images, words)


def segmented(arrived: Streams, is_arrival_known: bool = True
              ) -> tuple[list[UtterancePart], UtteranceSegmenter]:
    segmenter = UtteranceSegmenter(SegmenterConfig(), Loudness())
    return feed(segmenter, arrived.in_order(), is_arrival_known=is_arrival_known), segmenter


def check(parts: list[UtterancePart]) -> None:
    """Check what no order of arrival may change."""
    assert wrong((p for p in parts if p.audio.size), SOUND) == 0
    assert {p.dialogue for p in parts} == {0}
    for group in by_utterance(parts).values():
        assert [p.index for p in group] == list(range(len(group)))  # none is given twice
        assert sum(p.last and not p.revision for p in group) == 1


@cache
def expected() -> list[tuple[str, float, bytes]]:
    return sound_of(segmented(streams())[0])


def sound_of(parts: list[UtterancePart]) -> list[tuple[str, float, bytes]]:
    """Return what was spoken: of each utterance its name, its end, and its samples."""
    groups = by_utterance(part for part in parts if not part.revision)
    return [(name, group[-1].end, audio_of(group).tobytes())
            for name, group in groups.items() if audio_of(group).size]


@MANY
@given(late=st.lists(st.tuples(moments, lags), min_size=1, max_size=12), known=st.booleans())
def test_single_images_that_are_late(late: list[tuple[float, float]], known: bool) -> None:
    def shift(moment: float) -> float:
        return moment + sum(lag for start, lag in late if start <= moment < start + 1 / 15)

    parts, segmenter = segmented(streams().late(images=shift), known)
    check(parts)
    assert sound_of(parts) == expected()
    assert {event.kind for event in segmenter.events} <= {'image_late', 'image_backwards'}


@MANY
@given(start=moments, length=lags, until=moments, known=st.booleans())
def test_bursts_of_images_that_come_late_or_early(start: float, length: float, until: float,
                                                  known: bool) -> None:
    parts, _ = segmented(streams().late(images=withheld(start, start + length, until)), known)
    check(parts)
    assert sound_of(parts) == expected()


@MANY
@given(audio=lags, images=lags, words=lags, seed=st.integers(0, 2**32 - 1),
       jitter=st.floats(0, 0.4), known=st.booleans())
def test_inputs_that_are_always_late(audio: float, images: float, words: float, seed: int,
                                     jitter: float, known: bool) -> None:
    random = np.random.default_rng(seed)

    def some(lag: float) -> Shift:
        return lambda moment: moment + lag + jitter * float(random.random())

    parts, _ = segmented(streams().late(
        audio=always(audio), images=some(images), words=some(words)), known)
    check(parts)
    assert sound_of(parts) == expected()


@MANY
@given(pauses=st.lists(st.tuples(moments, st.floats(0.1, 5.0)), min_size=1, max_size=3),
       first=st.permutations(['audio', 'images', 'words']), known=st.booleans())
def test_a_process_that_stands_still(pauses: list[tuple[float, float]], first: list[str],
                                     known: bool) -> None:
    """What was sent meanwhile comes input by input, in any order of them."""
    arrived = streams()
    for start, length in pauses:
        arrived = still(arrived, start, length)
    segmenter = UtteranceSegmenter(SegmenterConfig(), Loudness())
    events = in_order(*(getattr(arrived, name) for name in first))
    parts = feed(segmenter, events, is_arrival_known=known)
    check(parts)
    assert sound_of(parts) == expected()


@MANY
@given(late=st.dictionaries(st.integers(2, 60), lags, min_size=1, max_size=6),
       known=st.booleans())
def test_single_blocks_of_audio_that_are_late(late: dict[int, float], known: bool) -> None:
    """What is missing is silence; nothing is dated wrongly."""
    def shift(moment: float) -> float:
        number, rest = divmod(round(10 * moment), 3)  # no two that follow each other
        arrival = moment + (late.get(number, 0.0) if not rest else 0.0)
        return arrival if arrival < TRACK_S - 0.5 else moment

    parts, segmenter = segmented(streams().late(audio=shift), known)
    check(parts)
    assert 'audio_backwards' not in {event.kind for event in segmenter.events}


@MANY
@given(back=st.floats(1.5, 8.0), at=st.floats(9.0, TRACK_S))
def test_a_jump_of_the_audio_itself_begins_a_dialogue(back: float, at: float) -> None:
    """The streams end in mid-flow and go on from an earlier time."""
    first = [e for e in streams().in_order() if e.arrival < BASE + at]
    again = [Event(e.arrival + back, e.item) for e in streams().in_order()
             if e.arrival > BASE + at - back]
    segmenter = UtteranceSegmenter(SegmenterConfig(), Loudness())
    parts = feed(segmenter, [*first, *again])
    assert wrong((p for p in parts if p.audio.size), SOUND) == 0
    assert {p.dialogue for p in parts} <= {0, 1}
    assert 'audio_backwards' in {event.kind for event in segmenter.events}


@MANY
@given(behind=st.lists(st.floats(0, 9), min_size=2, max_size=4), known=st.booleans())
def test_faces_of_several_sources_each_with_its_own_delay(behind: list[float], known: bool
                                                          ) -> None:
    events = [(event.arrival, '', event.item) for event in streams().audio]
    for number, lag in enumerate(behind):
        events += [(event.arrival + lag, f'face{number}', event.item)
                   for event in camera(BASE, BASE + TRACK_S, 5.0, faces=[(f'face{number}', 100)])]
    segmenter = UtteranceSegmenter(SegmenterConfig(), Loudness())
    parts: list[UtterancePart] = []
    for arrival, source, item in sorted(events, key=lambda event: event[0]):
        when = arrival if known else None
        if isinstance(item, AudioBlock):
            parts += segmenter.push_audio(item, when)
        elif isinstance(item, tuple):
            parts += segmenter.push_faces(*item, when, source)
    parts += segmenter.flush()
    check(parts)
    assert sound_of(parts) == expected()
    assert segmenter.events == []
