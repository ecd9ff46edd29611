# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clips cut to the speech by the robot's voice activity detection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.sensing.speech_segmenter import SpeechConfig, SpeechSegmenter
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from rich.console import Console
from training.corpora.examples import Example
from training.preparation.spoken_clips import spoken, SpokenClips

QUIET = Console(quiet=True)
CONFIG = SpeechConfig()


def loud(frame: Int16) -> float:
    """Return 1 for a loud frame: a stand-in for the network, whose own tests use speech."""
    return float(np.abs(frame).max() > 1000)


def beep(*seconds: float) -> Int16:
    """Return silence and tones in turn, of these lengths."""
    parts = [np.zeros(round(s * SAMPLE_RATE), np.int16) if i % 2 == 0 else
             (8000 * np.sin(np.arange(round(s * SAMPLE_RATE)) / 5)).astype(np.int16)
             for i, s in enumerate(seconds)]
    return np.concatenate(parts)


def test_silence_around_the_speech_is_cut_off() -> None:
    cut = spoken(beep(2.0, 1.0, 2.0), SpeechSegmenter(CONFIG, loud))
    assert 1.0 < len(cut) / SAMPLE_RATE < 1.0 + CONFIG.pre_roll_s + CONFIG.tail_s + 0.1
    assert np.abs(cut).max() > 7000


def test_utterances_of_a_clip_are_joined() -> None:
    one = spoken(beep(1.0, 1.0, 1.0), SpeechSegmenter(CONFIG, loud))
    two = spoken(beep(1.0, 1.0, 1.5, 1.0, 1.0), SpeechSegmenter(CONFIG, loud))
    assert abs(len(two) - 2 * len(one)) < 0.1 * SAMPLE_RATE


def test_a_clip_does_not_depend_on_the_one_before() -> None:
    segmenter = SpeechSegmenter(CONFIG, loud)
    first = spoken(beep(1.0, 1.0), segmenter)
    spoken(beep(0.5, 2.0), segmenter)
    np.testing.assert_array_equal(spoken(beep(1.0, 1.0), segmenter), first)


class Cache:
    """A cache of two clips without speech, one of them without sound."""

    digest = 'two'
    examples = [Example('train/a', 'train'), Example('train/b', 'train')]

    def __init__(self) -> None:
        self.read = 0

    def sizes(self, key: str) -> tuple[int, int]:
        return (9000, 3) if key == 'train/a' else (0, 0)

    def audio(self, key: str) -> Int16:
        self.read += 1
        return np.full(9000, 7, np.int16)


def test_a_clip_without_speech_stays_whole_and_is_kept_on_disk(tmp_path: Path) -> None:
    cache: Any = Cache()
    clips = SpokenClips(cache, tmp_path, QUIET)
    assert [e.key for e in clips.examples] == ['train/a']
    np.testing.assert_array_equal(clips.audio('train/a'), np.full(9000, 7))
    assert clips.sizes('train/a') == (9000, 3)
    again = SpokenClips(cache, tmp_path, QUIET)
    assert cache.read == 1 and again.digest == clips.digest != cache.digest
    other = SpokenClips(cache, tmp_path, QUIET, SpeechConfig(pre_roll_s=1.0))
    assert cache.read == 2 and other.digest != clips.digest
