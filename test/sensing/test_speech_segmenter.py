# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Speech segmentation: what is spoken comes out whole, on a grid that depends on stamps alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmer_ros.sensing.audio_front_end import PcmRun
from mmer_ros.sensing.speech_segmenter import SpeechConfig, SpeechPiece, SpeechSegmenter
from mmer_ros.sensing.vad import VadConfig
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from pydantic import ValidationError
import pytest

from ..fixtures.stream import BASE, FRAME, Loudness, track

# The times that these tests are made for, whatever the defaults are.
CONFIG = SpeechConfig(
    vad=VadConfig(onset_s=0.096, hangover_s=0.288), pre_roll_s=0.256, tail_s=0.064,
    min_voiced_s=0.25, max_utterance_s=15.0, part_s=0.512)


def config_with(**settings: Any) -> SpeechConfig:
    return CONFIG.model_copy(update=settings)


def segment(audio: Int16, config: SpeechConfig = CONFIG, *, sizes: Sequence[int] = (1600,),
            close: bool = True) -> list[SpeechPiece]:
    """Return the pieces of a stream that begins at BASE."""
    segmenter = SpeechSegmenter(config, Loudness())
    pieces: list[SpeechPiece] = []
    first = number = 0
    while first < audio.size:
        size = sizes[number % len(sizes)]
        run = PcmRun(BASE + first / SAMPLE_RATE, audio[first:first + size], restart=not number)
        pieces += segmenter.push(run)
        first, number = first + size, number + 1
    return pieces + segmenter.close() if close else pieces


def utterances(pieces: Sequence[SpeechPiece], audio: Int16,
               origin: float = BASE) -> list[tuple[float, float]]:
    """
    Return from when to when the utterances last, in seconds of the track.

    The pieces of each must follow one another and hold just the audio of their times.
    """
    spans: list[tuple[float, float]] = []
    open_id = ''
    for piece in pieces:
        start, end = (round((t - origin) * SAMPLE_RATE) for t in (piece.start, piece.end))
        np.testing.assert_array_equal(piece.audio, audio[start:end])
        if open_id:
            assert piece.utterance.utterance_id == open_id
            assert piece.start == pytest.approx(origin + spans[-1][1], abs=1e-6)
            spans[-1] = (spans[-1][0], piece.end - origin)
        else:
            assert piece.start == piece.utterance.start
            spans.append((piece.start - origin, piece.end - origin))
        open_id = '' if piece.last else piece.utterance.utterance_id
        if piece.last:
            assert piece.utterance.end == piece.end and not piece.utterance.ongoing
    assert not open_id
    return spans


def test_an_utterance_has_its_pre_roll_and_tail() -> None:
    audio = track(4.0, [(1.024, 2.56)])
    (start, end), = utterances(segment(audio), audio)
    assert start == pytest.approx(1.024 - 0.256, abs=1e-4)
    assert end == pytest.approx(2.56 + 0.064, abs=1e-4)


@pytest.mark.parametrize('onset', [0.7, 1.0, 1.001, 1.013, 1.031])
def test_at_least_200_ms_from_before_the_speech_are_there(onset: float) -> None:
    config = config_with(pre_roll_s=0.25)
    audio = track(3.0, [(onset, 2.2)])
    (start, end), = utterances(segment(audio, config), audio)
    assert onset - 0.25 - 0.032 <= start <= onset - 0.2
    assert 2.2 <= end <= 2.2 + 0.064 + 0.032


def test_the_defaults_keep_enough_from_before_the_speech() -> None:
    audio = track(3.0, [(1.0, 2.0)])
    (start, end), = utterances(segment(audio, SpeechConfig()), audio)
    assert start <= 0.8 and end >= 2.0


def test_speech_from_the_first_sample_has_what_there_is() -> None:
    audio = track(2.0, [(0.0, 1.0)])
    (start, _), = utterances(segment(audio), audio)
    assert start == 0.0


def test_no_sample_is_given_twice() -> None:
    """Two utterances so close that the pre-roll of one reaches into the other."""
    audio = track(5.0, [(1.0, 2.0), (2.35, 3.5)])
    spans = utterances(segment(audio), audio)
    assert len(spans) == 2
    assert spans[0][1] <= spans[1][0] + 1e-6


@pytest.mark.parametrize('sizes', [(160,), (512,), (8000,), (64_000,), (1, 999, 37, 4096)])
def test_the_size_of_the_messages_changes_nothing(sizes: Sequence[int]) -> None:
    audio = track(8.0, [(1.0, 2.7), (3.5, 3.6), (4.2, 7.3)])
    expected, found = segment(audio), segment(audio, sizes=sizes)
    assert len(expected) > 8
    assert [(p.utterance.utterance_id, p.start, p.end, p.last, p.cut) for p in found] == [
        (p.utterance.utterance_id, p.start, p.end, p.last, p.cut) for p in expected]
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one.audio, other.audio)


def test_pieces_come_while_speech_goes_on() -> None:
    audio = track(4.0, [(0.5, 4.0)])
    pieces = segment(audio, close=False)
    assert len(pieces) == 7 and not any(p.last for p in pieces)
    assert {p.audio.size for p in pieces} == {16 * FRAME}  # 0.512 s
    assert pieces[-1].end > BASE + 3.4


def test_what_is_too_short_for_speech_is_dropped() -> None:
    audio = track(6.0, [(1.0, 1.16), (3.0, 4.0)])  # a knock, and a sentence
    (start, _), = utterances(segment(audio), audio)
    assert start > 2.5


@pytest.mark.parametrize(('length', 'kept'), [(6, False), (8, True)])
def test_the_minimum_is_of_voiced_audio(length: int, kept: bool) -> None:
    frame = FRAME / SAMPLE_RATE
    audio = track(3.0, [(32 * frame, (32 + length) * frame)])
    assert bool(segment(audio)) == kept
    assert segment(audio, config_with(min_voiced_s=0.0))


def test_a_dropped_utterance_says_so() -> None:
    segmenter = SpeechSegmenter(CONFIG, Loudness())
    segmenter.push(PcmRun(BASE, track(1.16, [(1.0, 1.16)]), restart=True))
    utterance = segmenter.utterance
    assert utterance is not None and utterance.ongoing
    assert segmenter.push(PcmRun(BASE + 1.16, track(1.0))) == []
    assert utterance.dropped and not utterance.ongoing
    assert segmenter.utterance is None


@pytest.mark.parametrize('pause', [0.1, 0.2, 0.28])
def test_short_pauses_are_bridged(pause: float) -> None:
    audio = track(5.0, [(1.0, 2.0), (2.0 + pause, 3.0)])
    (start, end), = utterances(segment(audio), audio)
    assert start < 1.0 and end > 3.0


def test_a_longer_hangover_bridges_a_longer_pause() -> None:
    audio = track(5.0, [(1.0, 2.0), (2.6, 3.6)])
    assert len(utterances(segment(audio), audio)) == 2
    config = config_with(vad=VadConfig(hangover_s=0.8))
    assert len(utterances(segment(audio, config), audio)) == 1


@pytest.mark.parametrize('length', [2.0, 4.1, 6.0, 6.02, 6.05, 6.3, 9.7])
def test_long_speech_is_cut_and_nothing_is_lost(length: float) -> None:
    """However little is left after the last cut, it comes out, and follows without a gap."""
    config = config_with(max_utterance_s=2.0)
    audio = track(length + 3, [(1.0, 1.0 + length)])
    pieces = segment(audio, config)
    spans = utterances(pieces, audio)
    assert [p.cut for p in pieces if p.last][:-1] == [True] * (len(spans) - 1)
    assert len(spans) >= (length + 0.256) // 2
    for (_, end), (start, _) in zip(spans, spans[1:]):
        assert start == end
    assert all(end - start <= 2.0 + 0.032 for start, end in spans)
    assert spans[0][0] <= 0.8 and spans[-1][1] >= 1.0 + length


class Scripted:
    """Stands for silero-vad: gives probabilities from a list, then 0."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self._left = list(probabilities)

    def __call__(self, frame: Int16) -> float:
        return self._left.pop(0) if self._left else 0.0


def test_speech_that_fades_after_a_cut_is_kept() -> None:
    """What the release threshold still takes for speech belongs to it, however it began."""
    frames = 63 + 5  # 63 frames are the maximum of 2 s; the rest is faint
    segmenter = SpeechSegmenter(config_with(max_utterance_s=2.0),
                                Scripted([0.9] * 63 + [0.4] * 5))
    audio = track(4.0)
    pieces = segmenter.push(PcmRun(BASE, audio, restart=True)) + segmenter.close()
    spans = utterances(pieces, audio)
    assert spans[-1][1] >= frames * FRAME / SAMPLE_RATE


def test_silence_after_a_cut_is_no_utterance() -> None:
    """Speech that ends just where it is cut leaves nothing to estimate from."""
    segmenter = SpeechSegmenter(config_with(max_utterance_s=2.0), Scripted([0.9] * 63))
    pieces = segmenter.push(PcmRun(BASE, track(4.0), restart=True)) + segmenter.close()
    assert [p.last for p in pieces].count(True) == 1


def test_a_restart_closes_the_utterance_and_begins_at_its_stamp() -> None:
    segmenter = SpeechSegmenter(CONFIG, Loudness())
    first, second = track(2.0, [(0.5, 2.0)], seed=1), track(3.0, [(1.0, 2.0)], seed=2)
    old = segmenter.push(PcmRun(BASE, first, restart=True))
    pieces = segmenter.push(PcmRun(5.0, second, restart=True)) + segmenter.close()
    closed = [p.utterance is old[0].utterance for p in pieces].count(True)
    assert closed
    (_, end), = utterances(old + pieces[:closed], first)
    assert end == 2.0  # all that was received
    (start, end), = utterances(pieces[closed:], second, origin=5.0)
    assert start == pytest.approx(0.744, abs=0.033) and 2.0 <= end <= 2.1


def test_a_restart_forgets_what_the_network_heard() -> None:
    loudness = Loudness()
    segmenter = SpeechSegmenter(CONFIG, loudness)
    before = loudness.resets
    segmenter.push(PcmRun(BASE, track(1.0), restart=True))
    assert loudness.resets == before + 1
    segmenter.push(PcmRun(BASE + 1, track(1.0)))
    assert loudness.resets == before + 1


def test_closing_in_silence_gives_nothing() -> None:
    assert segment(track(3.0)) == []


def test_hours_of_silence_are_not_kept() -> None:
    segmenter = SpeechSegmenter(CONFIG, Loudness())
    for number in range(300):
        segmenter.push(PcmRun(BASE + number, track(1.0), restart=not number))
        assert segmenter._pcm.size <= 0.5 * SAMPLE_RATE
    assert segmenter.end == pytest.approx(BASE + 300)


@pytest.mark.parametrize('wrong', [{'pre_roll_s': 0.1}, {'max_utterance_s': 1.0},
                                   {'part_s': 0.0}, {'pre_role_s': 0.3}])
def test_settings_out_of_range_or_unknown_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpeechConfig(**wrong)
