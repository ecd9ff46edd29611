# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Utterance segmentation: the same stamps give the same parts, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mmer_ros.sensing.active_speaker import most_prominent
from mmer_ros.sensing.speech_segmenter import SpeechConfig
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.sensing.vad import VadConfig
from mmer_ros.types import (
    AudioBlock,
    InvalidInput,
    MAX_TEXT_CHARS,
    SAMPLE_RATE,
    Transcript,
    UtterancePart,
)
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
    text_of,
    track,
)

# The times that these tests are made for, whatever the defaults are.
CONFIG = SegmenterConfig(
    speech=SpeechConfig(vad=VadConfig(onset_s=0.096, hangover_s=0.288), pre_roll_s=0.256,
                        tail_s=0.064, min_voiced_s=0.25, max_utterance_s=15.0, part_s=0.512),
    face_wait_s=0.3, transcript_wait_s=0.4, transcript_late_s=3.0, stall_s=1.0, face_only_s=3.0)
SPEECH = ((1.0, 2.6), (4.0, 5.1))  # seconds after BASE
SOUND = track(8.0, SPEECH)


def new(**settings: Any) -> UtteranceSegmenter:
    return UtteranceSegmenter(CONFIG.model_copy(update=settings), Loudness())


def said(stamp: float, text: str, lag: float = 0.0) -> list[Event]:
    """Return words of a stamp in seconds after BASE."""
    return [Event(BASE + stamp + lag, Transcript(BASE + stamp, text))]


def sound(lag: float = 0.0, size: int | Sequence[int] = 1600) -> list[Event]:
    return arriving(blocks(SOUND, BASE, size), lag)


def idle(segmenter: UtteranceSegmenter, start: float, end: float) -> list[UtterancePart]:
    """Let time pass in which nothing arrives."""
    return [part for moment in np.arange(start, end + 1e-6, 0.1)
            for part in segmenter.advance(float(moment))]


def gist(parts: Iterable[UtterancePart]) -> list[tuple[Any, ...]]:
    """
    Return all that a part consists of, but its words, as values to compare.

    Parts that bring words alone into a pause are left out: when words arrive is not a matter of
    stamps.
    """
    return [(p.utterance_id, p.utterance_start, p.start, p.end, p.audio.tobytes(),
             tuple((f.stamp, f.face_id) for f in p.faces), p.face_id, p.last, p.cut, p.pause,
             p.revision)
            for p in parts if p.last or not p.pause or p.audio.size or not p.text]


def words(parts: Iterable[UtterancePart]) -> list[str]:
    """Return the words of each utterance."""
    return [text_of(group) for group in by_utterance(parts).values()]


def kinds(segmenter: UtteranceSegmenter) -> list[str]:
    return [event.kind for event in segmenter.events]


def released(segmenter: UtteranceSegmenter,
             events: Iterable[Event]) -> list[tuple[float, UtterancePart]]:
    """Return the parts, each with the time at which it came out."""
    return [(event.arrival, part) for event in events
            for part in feed(segmenter, [event], flush=False)]


def check(parts: Iterable[UtterancePart], sound: np.ndarray[Any, Any] = SOUND,
          origin: float = BASE) -> None:
    """Check what holds for the parts of any stream with a microphone, revisions left out."""
    for group in by_utterance(p for p in parts if not p.revision).values():
        assert [p.index for p in group] == list(range(len(group)))
        assert [p.last for p in group] == [False] * (len(group) - 1) + [True]
        assert {p.utterance_start for p in group} == {group[0].start}
        for one, other in zip(group, group[1:]):
            assert one.end == other.start
        first = round((group[0].start - origin) * SAMPLE_RATE)
        audio = audio_of(group)
        np.testing.assert_array_equal(audio, sound[first:first + audio.size])
        assert group[-1].end == pytest.approx(group[0].start + audio.size / SAMPLE_RATE)


# ------------------------------------------------------------------------------- parts


def test_speech_faces_and_words_become_utterances() -> None:
    parts = feed(new(), in_order(
        sound(), camera(BASE, BASE + 8), said(2.8, 'first words'), said(5.3, 'second words')))
    check(parts)
    groups = by_utterance(parts)
    assert len(groups) == 2 and words(parts) == ['first words', 'second words']
    for group, (start, end) in zip(groups.values(), SPEECH):
        assert group[0].start == pytest.approx(BASE + start - 0.256, abs=0.033)
        assert group[-1].end == pytest.approx(BASE + end + 0.064, abs=0.033)
        stamps = [f.stamp for p in group for f in p.faces]
        assert stamps == [e.item[0] for e in camera(BASE, BASE + 8)  # type: ignore[index]
                          if group[0].start <= e.item[0] < group[-1].end]  # type: ignore[index]
        assert all(p.start <= f.stamp < p.end for p in group for f in p.faces)
        assert {p.face_id for p in group} == {'face1'}


LAGS = [(0.0, 0.0), (0.0, 0.2), (0.25, 0.0), (0.1, 0.12)]


@pytest.mark.parametrize(('audio_lag', 'image_lag'), LAGS)
@pytest.mark.parametrize('size', [160, 512, 1600, 4000, 8000, (1600, 161, 7777)])
def test_the_same_stamps_give_the_same_parts(size: int | Sequence[int], audio_lag: float,
                                             image_lag: float) -> None:
    def run(size: int | Sequence[int], audio_lag: float, image_lag: float
            ) -> list[UtterancePart]:
        return feed(new(), in_order(
            sound(audio_lag, size), camera(BASE, BASE + 8, lag=image_lag),
            said(2.85, 'first words', audio_lag), said(5.35, 'second words', audio_lag)))

    expected, found = run(1600, 0.0, 0.0), run(size, audio_lag, image_lag)
    assert len(expected) > 5
    assert gist(found) == gist(expected)
    assert words(found) == words(expected) == ['first words', 'second words']


def test_parts_come_while_speech_goes_on() -> None:
    out = released(new(), in_order(sound(), camera(BASE, BASE + 8)))
    early = [(when, part) for when, part in out if not part.last]
    assert len(early) >= 3
    assert all(when - part.end < 0.25 for when, part in early)


def test_long_speech_is_cut_without_loss() -> None:
    audio = track(12.0, [(1.0, 10.5)])
    speech = CONFIG.speech.model_copy(update={'max_utterance_s': 3.0})
    parts = feed(new(speech=speech), in_order(
        arriving(blocks(audio, BASE)), camera(BASE, BASE + 12)))
    check(parts, audio)
    groups = list(by_utterance(parts).values())
    assert [g[-1].cut for g in groups] == [True, True, True, False]
    for one, other in zip(groups, groups[1:]):
        assert one[-1].end == other[0].start
    stamps = [f.stamp for p in parts for f in p.faces]
    assert len(set(stamps)) == len(stamps) == pytest.approx(9.8 * 15, abs=2)


def test_an_utterance_cut_off_does_not_wait_for_words() -> None:
    audio = track(8.0, [(1.0, 6.0)])
    speech = CONFIG.speech.model_copy(update={'max_utterance_s': 3.0})
    out = released(new(speech=speech), arriving(blocks(audio, BASE)))
    when, part = next((when, part) for when, part in out if part.last)
    assert part.cut and when - part.end <= 0.1


# ------------------------------------------------------------------------------- faces


def test_the_largest_face_is_followed() -> None:
    faces = [('far', 60.0), ('near', 140.0)]
    parts = feed(new(), in_order(sound(), camera(BASE, BASE + 8, faces=faces)))
    assert {p.face_id for p in parts if p.end - p.utterance_start >= 0.8} == {'near'}
    assert {p.speaker_by for p in parts if p.face_id} == {'size'}
    assert {f.face_id for p in parts for f in p.faces} == {'near'}


def test_the_face_stays_the_same_within_an_utterance() -> None:
    """Whoever was followed first is, though a larger face comes into view later."""
    late = camera(BASE + 2.0, BASE + 8, faces=[('late', 300.0)])
    both = in_order(camera(BASE, BASE + 8), late)
    first, second = by_utterance(feed(new(), in_order(sound(), both))).values()
    assert {p.face_id for p in first} == {'face1'}
    assert {p.face_id for p in second if p.end - p.utterance_start >= 0.8} == {'late'}


def test_the_largest_face_is_the_one_of_the_largest_area_in_all() -> None:
    assert most_prominent([]) == ''
    crops = [crop(BASE, 'a', 100), crop(BASE, 'b', 80), crop(BASE + 1, 'b', 80)]
    assert most_prominent(crops) == 'b'
    assert most_prominent(crops[:2]) == 'a'


def test_images_that_lag_are_waited_for() -> None:
    punctual = feed(new(), in_order(sound(), camera(BASE, BASE + 8)))
    late = feed(new(), in_order(sound(), camera(BASE, BASE + 8, lag=0.22)))
    assert gist(late) == gist(punctual)
    assert sum(len(p.faces) for p in late) > 30


@pytest.mark.parametrize('lag', [0.22, 0.5, 0.9])
def test_images_are_not_waited_for_longer_than_said(lag: float) -> None:
    audio = sound(size=160)
    alone = released(new(), audio)
    watched = released(new(), in_order(audio, camera(BASE, BASE + 8, lag=lag)))
    assert [p.end for _, p in watched] == [p.end for _, p in alone]
    waits = [w - a for (w, _), (a, _) in zip(watched, alone)]
    assert max(waits) <= 0.3 + 0.011
    # the last part of an utterance waits for words in any case, the others for images alone
    assert max(w for w, (_, p) in zip(waits, alone) if not p.last) > 0.1 or lag > 0.3


def test_a_longer_wait_gets_the_faces_of_a_slow_camera() -> None:
    slow = in_order(sound(), camera(BASE, BASE + 8, lag=0.7))
    punctual = gist(feed(new(), in_order(sound(), camera(BASE, BASE + 8))))
    assert gist(feed(new(face_wait_s=0.8), slow)) == punctual


@pytest.mark.parametrize('stop', [0.5, 1.9, 2.6])
def test_a_camera_that_stops_blocks_nothing(stop: float) -> None:
    out = released(new(), in_order(sound(), camera(BASE, BASE + stop)))
    alone = released(new(), sound())
    assert [p.end for _, p in out] == [p.end for _, p in alone]
    assert all(w - a <= 0.3 + 0.101 for (w, _), (a, _) in zip(out, alone))
    check([p for _, p in out])


def test_images_out_of_order_are_left_out_and_told() -> None:
    images = camera(BASE, BASE + 8)
    images[30], images[31] = (Event(images[30].arrival, images[31].item),
                              Event(images[31].arrival, images[30].item))
    segmenter = new()
    parts = feed(segmenter, in_order(sound(), images))
    assert kinds(segmenter) == ['image_late']
    stamps = [f.stamp for p in parts for f in p.faces]
    assert stamps == sorted(stamps)
    assert images[31].item[0] not in stamps  # type: ignore[index]


# ------------------------------------------------------------------------------- microphone


def test_a_microphone_that_stops_in_mid_speech_closes_the_utterance() -> None:
    segmenter = new()
    parts = feed(segmenter, arriving(blocks(SOUND[:2 * SAMPLE_RATE], BASE)), flush=False)
    assert segmenter.speaking and not any(p.last for p in parts)
    parts += idle(segmenter, BASE + 2.0, BASE + 2.9)
    assert segmenter.speaking
    parts += idle(segmenter, BASE + 2.9, BASE + 3.2)
    assert not segmenter.speaking
    assert kinds(segmenter) == ['audio_stalled']
    check(parts)
    assert parts[-1].last and parts[-1].end == BASE + 2.0  # with all that was received
    parts += feed(segmenter, arriving(blocks(SOUND[int(3.5 * SAMPLE_RATE):], BASE + 3.5)))
    check(parts)
    assert len(by_utterance(parts)) == 2


def test_the_camera_alone_lets_a_stalled_utterance_end() -> None:
    segmenter = new()
    out = released(segmenter, in_order(
        arriving(blocks(SOUND[:2 * SAMPLE_RATE], BASE)), camera(BASE, BASE + 5)))
    when, part = next((when, part) for when, part in out if part.last)
    assert part.audio.size and when <= BASE + 3.2
    assert kinds(segmenter) == ['audio_stalled']


def test_audio_that_was_only_late_goes_on_after_a_stall() -> None:
    segmenter = new()
    parts = feed(segmenter, arriving(blocks(SOUND[:2 * SAMPLE_RATE], BASE)), flush=False)
    parts += idle(segmenter, BASE + 2.0, BASE + 3.5)
    parts += feed(segmenter, arriving(blocks(SOUND[2 * SAMPLE_RATE:], BASE + 2)))
    check(parts)
    assert sum(p.audio.size for p in parts) / SAMPLE_RATE > 1.6 + 1.1  # all that was spoken


def test_a_block_that_cannot_be_used_loses_nothing_else() -> None:
    segmenter = new()
    audio = blocks(SOUND, BASE)
    parts = []
    for number, block in enumerate(audio):
        if number == 32:  # in the pause
            with pytest.raises(InvalidInput):
                segmenter.push_audio(AudioBlock(
                    block.stamp, SAMPLE_RATE, np.full(1600, 9e3, np.float32)))
        else:
            parts += segmenter.push_audio(block)
    assert gist(parts + segmenter.flush()) == gist(feed(new(), sound()))
    assert kinds(segmenter) == ['audio_gap']


def test_a_long_gap_in_the_audio_closes_the_utterance() -> None:
    audio = blocks(SOUND, BASE)
    segmenter = new()
    parts = feed(segmenter, arriving([*audio[:15], *audio[45:]]))
    check(parts)
    assert 'audio_gap' in kinds(segmenter)
    assert parts[[p.last for p in parts].index(True)].end == BASE + 1.5


# ------------------------------------------------------------------------------- words


def test_words_before_the_end_of_speech_spare_the_wait() -> None:
    out = released(new(), in_order(sound(size=160), said(2.0, 'early'), said(5.2, 'in time')))
    ends = [(when - part.end, part) for when, part in out if part.last]
    assert words(p for _, p in out) == ['early', 'in time']
    assert all(wait < 0.3 for wait, _ in ends)
    late = [when - part.end for when, part in released(new(), sound(size=160)) if part.last]
    assert all(0.4 <= wait < 0.42 for wait in late)


def test_late_words_revise_the_utterance() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(sound(), said(3.5, 'late words'), said(5.2, 'others')))
    groups = list(by_utterance(parts).values())
    last, revision = groups[0][-2:]
    assert last.last and last.revision == 0 and text_of(groups[0][:-1]) == ''
    assert revision.revision == 1 and revision.text == 'late words' and revision.last
    assert revision.index == last.index + 1
    assert revision.start == revision.end == last.end and revision.audio.size == 0
    assert segmenter.events == []
    check(parts)


def test_words_may_come_twice() -> None:
    parts = feed(new(), in_order(sound(), said(3.4, 'late words'), said(3.6, 'and more')))
    first = next(iter(by_utterance(parts).values()))
    assert [(p.revision, p.text) for p in first[-3:]] == [
        (0, ''), (1, 'late words'), (2, 'and more')]


def test_words_of_the_utterance_before_the_one_that_has_just_begun() -> None:
    sentence = 'I did not expect them to call back'  # more than can be said by then
    parts = feed(new(), in_order(sound(), said(4.2, sentence), said(5.2, 'others')))
    assert words(parts) == [sentence, 'others']


def test_words_that_arrive_before_their_audio_find_it() -> None:
    """The audio comes in large blocks or over a slow network; the words do not."""
    for lag in (0.3, 0.6):
        segmenter = new()
        parts = feed(segmenter, in_order(sound(lag), said(1.2, 'no way')))
        assert words(parts) == ['no way', ''] and segmenter.events == []


def test_words_stamped_before_the_speech_are_early() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(sound(), said(3.4, 'first'), said(3.5, 'again')))
    assert words(parts)[0] == 'first again'
    segmenter = new()
    parts = feed(segmenter, in_order(sound(), said(0.4, 'early words')))
    assert words(parts) == ['early words', ''] and segmenter.events == []


def test_words_without_speech_are_left_out_and_told() -> None:
    segmenter = new()
    quiet = track(8.0)
    parts = feed(segmenter, in_order(arriving(blocks(quiet, BASE)), camera(BASE, BASE + 8),
                                     said(3.0, 'thank you for watching')))
    assert parts == []
    assert kinds(segmenter) == ['transcript_without_speech']
    event, = segmenter.events
    assert 'without speech' in event.text and event.stamp == BASE + 3
    assert 'thank' not in event.text  # events go to logs


def test_words_of_another_clock_are_left_out_at_once_and_reported() -> None:
    segmenter = new()
    words_ahead = Event(BASE + 2.0, Transcript(BASE + 9e7, 'thank you for watching'))
    parts = feed(segmenter, in_order(arriving(blocks(track(4.0), BASE)), [words_ahead]))
    assert parts == []
    assert kinds(segmenter) == ['transcript_ahead']
    assert 's ahead of the audio, as of another clock' in segmenter.events[0].text


def test_words_without_speech_at_the_end_are_left_out_too() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(arriving(blocks(track(4.0), BASE)),
                                     said(3.9, 'thank you for watching')))
    assert parts == []
    assert kinds(segmenter) == ['transcript_without_speech']


def test_words_of_speech_too_short_to_be_an_utterance_are_told() -> None:
    """Words never vanish without a trace."""
    audio = track(6.0, [(2.0, 2.2)])
    segmenter = new()
    parts = feed(segmenter, in_order(arriving(blocks(audio, BASE)), said(2.3, 'yes')))
    assert words(parts) == ['yes'] or kinds(segmenter) == ['transcript_without_speech']


def test_empty_words_are_left_out_and_told() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(sound(), said(2.0, ' \n ')))
    assert words(parts) == ['', '']
    assert kinds(segmenter) == ['transcript_empty']


def test_ten_kilobytes_of_words_keep_the_last_ones() -> None:
    flood = ' '.join(f'word{i}' for i in range(1500))
    assert len(flood) > 10_000
    parts = feed(new(), in_order(sound(), said(2.0, flood)))
    text = words(parts)[0]
    assert MAX_TEXT_CHARS - 20 < len(text) <= MAX_TEXT_CHARS and flood.endswith(text)


def test_words_alone_make_utterances() -> None:
    """A robot without a microphone, and without a camera."""
    segmenter = new()
    parts = feed(segmenter, [*said(1.0, 'hello'), *said(5.0, 'how are you'), *said(5.1, 'well')])
    assert words(parts) == ['hello', 'how are you', 'well']
    assert all(p.last and p.index == 0 and not p.audio.size for p in parts)
    assert all(p.utterance_start == p.start <= p.end for p in parts)
    assert [p.end - BASE for p in parts] == pytest.approx([1.0, 5.0, 5.1])
    assert segmenter.events == []


def test_words_that_come_before_the_first_audio_wait_for_it() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(said(2.8, 'first words'), sound(lag=3.5)))
    assert words(parts) == ['first words', ''] and all(p.audio.size for p in parts if p.index == 0)
    parts = feed(new(), in_order(said(2.8, 'no microphone'), camera(BASE + 2, BASE + 5)),
                 flush=False)
    assert [(p.text, p.end) for p in parts if p.text] == [('no microphone', BASE + 2.8)]


def test_words_and_faces_without_a_microphone() -> None:
    spoken = 'I have not slept for three days'
    events = in_order(camera(BASE, BASE + 10), said(4.5, spoken), said(8.0, 'no'))
    parts = feed(new(), events)
    assert len(by_utterance(parts)) == len(parts)  # each is an utterance of its own
    texts = [p for p in parts if p.text]
    assert [p.text for p in texts] == [spoken, 'no']
    assert all(p.faces and all(p.start <= f.stamp < p.end for f in p.faces) for p in texts)
    for one, other in zip(parts, parts[1:]):
        assert one.end <= other.start + 1e-6
    assert all(p.start < p.end for p in parts)


def test_words_that_come_after_their_window_of_faces_was_closed() -> None:
    parts = feed(new(), in_order(camera(BASE, BASE + 8), said(3.0, 'how are you', lag=0.3)))
    assert [p.text for p in parts].count('how are you') == 1
    assert all(p.start <= p.end and p.utterance_start == p.start for p in parts)
    assert len({p.utterance_id for p in parts}) == len(parts)


# ------------------------------------------------------------------------------- faces alone


def test_faces_alone_make_utterances_of_equal_length() -> None:
    segmenter = new()
    parts = feed(segmenter, camera(BASE, BASE + 10))
    assert len(parts) == 4 and all(p.last and p.index == 0 for p in parts)
    assert parts[-1].end == pytest.approx(BASE + 10, abs=0.07)  # what was left in the end
    for number, part in enumerate(parts[:3]):
        assert part.start == pytest.approx(BASE + 3 * number, abs=0.07)
        assert part.end - part.start == pytest.approx(3.0, abs=0.07)
        assert all(part.start <= f.stamp < part.end for f in part.faces)
        assert len(part.faces) == pytest.approx(45, abs=1)
        assert part.text == '' and part.audio.size == 0
    assert segmenter.events == []


def test_an_empty_room_makes_no_utterances() -> None:
    assert feed(new(), camera(BASE, BASE + 10, faces=[])) == []


def test_with_a_microphone_faces_alone_make_none() -> None:
    quiet = arriving(blocks(track(8.0), BASE))
    assert feed(new(), in_order(quiet, camera(BASE, BASE + 8))) == []


# ------------------------------------------------------------------------------- time, end


def shifted(events: Iterable[Event], by: float) -> list[Event]:
    """Let the same arrive again, with the same stamps."""
    return [Event(e.arrival + by, e.item) for e in events]


@pytest.mark.parametrize('length', [8.0, 4.5, 2.0])
@pytest.mark.parametrize('first', ['audio', 'images'])
def test_a_recording_in_a_loop_gives_the_same_each_time(length: float, first: str) -> None:
    """Time jumps back, perhaps in mid-speech, for one of the streams before the other."""
    cut = round(length * SAMPLE_RATE)
    audio = arriving(blocks(SOUND[:cut], BASE), lag=0.0 if first == 'audio' else 0.05)
    images = camera(BASE, BASE + length, lag=0.05 if first == 'audio' else 0.0)
    once = in_order(audio, images, said(2.85, 'first words'), said(5.35, 'second words'))
    once = [e for e in once if e.arrival < BASE + length + 0.05]
    expected = by_utterance(feed(new(), once))
    segmenter = new()
    out = released(segmenter, in_order(once, shifted(once, length), shifted(once, 2 * length)))
    out += [(BASE + 3 * length, part) for part in segmenter.flush()]
    check_loops(out, expected, length)
    assert 'audio_backwards' in kinds(segmenter) and 'image_backwards' in kinds(segmenter)


def check_loops(out: list[tuple[float, UtterancePart]],
                expected: dict[str, list[UtterancePart]], length: float) -> None:
    """Check that each loop gives whole utterances: the same ids, audio, words and faces."""
    utterances: list[list[UtterancePart]] = []
    for _, part in out:
        if part.index == 0:
            utterances.append([])
        utterances[-1].append(part)
    assert len(utterances) == 3 * len(expected)
    for group, reference in zip(utterances, 3 * list(expected.values())):
        assert [p.index for p in group] == list(range(len(group)))
        assert {p.utterance_id for p in group} == {reference[0].utterance_id}
        assert group[-1].last and group[-1].revision == 0
        np.testing.assert_array_equal(audio_of(group), audio_of(reference))
        assert text_of(group) == text_of(reference)
        assert all(p.start <= f.stamp < p.end for p in group for f in p.faces)
    for when, part in out:
        assert when - BASE - part.end < 0.6 + 3 * length  # nothing waits for the next loop
    for number in range(3):
        ends = [when for when, p in out if p.last][number * len(expected):]
        assert ends[0] <= BASE + (number + 1) * length + 0.3  # two blocks prove the jump


def test_flush_gives_out_all_that_is_open() -> None:
    segmenter = new()
    parts = feed(segmenter, in_order(
        arriving(blocks(SOUND[:int(4.7 * SAMPLE_RATE)], BASE)), camera(BASE, BASE + 4.7)))
    check(parts)
    assert parts[-1].end == pytest.approx(BASE + 4.7)
    assert len(by_utterance(parts)) == 2
    assert segmenter.flush() == [] and not segmenter.speaking


def test_after_a_flush_a_stream_may_begin_anew() -> None:
    events = in_order(sound(), camera(BASE, BASE + 8), said(2.85, 'words'))
    segmenter = new()
    first, second = feed(segmenter, events), feed(segmenter, events)
    assert gist(first) == gist(second) and words(first) == words(second) == ['words', '']


def test_an_hour_of_silence_and_faces_is_not_kept() -> None:
    segmenter = new()
    for second in range(120):
        start = BASE + second
        feed(segmenter, in_order(arriving(blocks(track(1.0), start)),
                                 camera(start, start + 1)), flush=False)
    assert len(segmenter._images) <= 5 * 15
    assert not segmenter._known and not segmenter._orphans and not segmenter._waiting


def test_whoever_the_words_come_from_is_the_voice() -> None:
    words_of_tom = Event(BASE + 2.8, Transcript(BASE + 2.8, 'hello', 'tom'))
    first, second = by_utterance(feed(new(), in_order(sound(), [words_of_tom]))).values()
    assert first[-1].voice_id == 'tom' and {p.voice_id for p in second} == {''}
