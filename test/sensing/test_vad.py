# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voice activity: the state machine on probabilities made by hand, the network on sound."""

from __future__ import annotations

from collections.abc import Iterable

from mmer_ros.sensing.vad import (
    Boundary,
    FRAME_S,
    FRAME_SAMPLES,
    SpeechProbability,
    VadConfig,
    VoiceActivity,
)
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from pydantic import ValidationError
import pytest
import torch

from ..fixtures.stream import sample_audio, sample_labels, sine

START, END = Boundary.START, Boundary.END


def boundaries(vad: VoiceActivity, probabilities: Iterable[float]) -> list[tuple[int, Boundary]]:
    """Return what changed, and with which frame."""
    found = []
    for probability in probabilities:
        frame = vad.frame
        boundary = vad.push(probability)
        if boundary is not None:
            found.append((frame, boundary))
    return found


def machine(onset_frames: int = 3, hangover_frames: int = 9) -> VoiceActivity:
    return VoiceActivity(VadConfig(onset_s=onset_frames * FRAME_S,
                                   hangover_s=hangover_frames * FRAME_S))


def test_a_frame_is_what_silero_takes() -> None:
    assert (FRAME_SAMPLES, FRAME_S) == (512, 0.032)


def test_speech_starts_after_the_onset_and_ends_after_the_hangover() -> None:
    vad = machine()
    found = boundaries(vad, [0.0] * 5 + [0.9] * 4 + [0.0] * 20)
    assert found == [(7, START), (17, END)]  # third voiced frame; ninth frame after the last
    assert (vad.onset, vad.last_voiced) == (5, 8)
    assert not vad.active


def test_a_click_is_no_speech() -> None:
    assert boundaries(machine(), [0.0, 0.9, 0.9, 0.0, 0.9, 0.9, 0.49, 0.9]) == []


def test_between_the_thresholds_speech_is_kept_but_not_started() -> None:
    assert boundaries(machine(), [0.4] * 50) == []
    vad = machine()
    assert boundaries(vad, [0.9] * 3 + [0.4] * 50) == [(2, START)]
    assert vad.active and vad.last_voiced == 52
    assert boundaries(machine(), [0.9] * 3 + [0.34] * 9) == [(2, START), (11, END)]


def test_the_thresholds_themselves_count() -> None:
    assert boundaries(machine(), [0.5] * 3 + [0.35] * 20) == [(2, START)]


@pytest.mark.parametrize('pause', range(1, 12))
def test_a_pause_shorter_than_the_hangover_is_bridged(pause: int) -> None:
    found = boundaries(machine(), [0.9] * 5 + [0.0] * pause + [0.9] * 5)
    assert found == ([(2, START)] if pause < 9 else
                     [(2, START), (13, END), (5 + pause + 2, START)])


def test_a_start_and_an_end_take_turns() -> None:
    rng = np.random.default_rng(0)
    walk = np.clip(np.cumsum(rng.normal(0, 0.15, 5000)) % 2 - 0.5, 0, 1)
    found = [boundary for _, boundary in boundaries(machine(2, 4), walk)]
    assert len(found) > 20
    assert found == [START, END] * (len(found) // 2) + [START] * (len(found) % 2)


def test_reset_begins_again_with_frame_0() -> None:
    vad = machine()
    first = boundaries(vad, [0.0, 0.9, 0.9, 0.9])
    vad.reset()
    assert not vad.active
    assert boundaries(vad, [0.0, 0.9, 0.9, 0.9]) == first == [(3, START)]


@pytest.mark.parametrize('wrong', [{'threshold': 1.0}, {'onset_s': 0.0}, {'hangover_s': -1},
                                   {'treshold': 0.5}])
def test_settings_out_of_range_or_unknown_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        VadConfig(**wrong)


@pytest.fixture(scope='module')
def silero() -> SpeechProbability:
    return SpeechProbability()


def probabilities(silero: SpeechProbability, audio: Int16) -> list[float]:
    silero.reset()
    return [silero(audio[i:i + FRAME_SAMPLES])
            for i in range(0, audio.size - FRAME_SAMPLES + 1, FRAME_SAMPLES)]


def test_loading_silero_leaves_the_threads_as_they_are() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        SpeechProbability()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_silero_finds_the_labelled_utterances(silero: SpeechProbability) -> None:
    origin, audio = sample_audio()
    vad = VoiceActivity(VadConfig())
    spans = []
    for probability in probabilities(silero, audio):
        boundary = vad.push(probability)
        if boundary is Boundary.END:
            spans.append((origin + vad.onset * FRAME_S, origin + (vad.last_voiced + 1) * FRAME_S))
    labels = sample_labels()
    assert len(spans) == len(labels) == 10
    for (start, end), label in zip(spans, labels):
        assert start == pytest.approx(label['start'], abs=0.25)
        assert end == pytest.approx(label['end'], abs=0.25)


def test_silence_noise_and_tones_are_no_speech(silero: SpeechProbability) -> None:
    rng = np.random.default_rng(0)
    for audio in (np.zeros(5 * SAMPLE_RATE, np.int16),
                  rng.normal(0, 30, 5 * SAMPLE_RATE).astype(np.int16),
                  rng.normal(0, 3000, 5 * SAMPLE_RATE).astype(np.int16),
                  (sine(440, 3.0, SAMPLE_RATE) * 32_767).astype(np.int16)):
        assert boundaries(VoiceActivity(VadConfig()), probabilities(silero, audio)) == []


def test_reset_forgets_what_was_heard(silero: SpeechProbability) -> None:
    _, audio = sample_audio()
    excerpt = audio[SAMPLE_RATE:3 * SAMPLE_RATE]
    first = probabilities(silero, excerpt)
    assert max(first) > 0.9
    assert probabilities(silero, excerpt) == first
