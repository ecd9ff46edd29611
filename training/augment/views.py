# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Augmented views of clips: each clip several times, as it is and changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Int16, SAMPLE_RATE, UInt8
import numpy as np
from training.augment.speech import speech_span
from training.corpora.clips import Clips, ClipsWrapper
from training.corpora.examples import split_view_key, VIEW
from training.engine.sampling import keyed_generator

ChangeAudio = Callable[[Int16, np.random.Generator], Int16]
ChangeFaces = Callable[[UInt8, np.random.Generator], UInt8]
NOISY = 50  # number of the first view in noise
CUT = 98  # number of the view that is only cut to the speech
MARGIN_S = 0.3  # that voice activity keeps around the speech, at most


class AugmentedViews(ClipsWrapper):
    """
    Clips, each of them as several views with keys of their own, e.g. 'train/a#2'.

    View 0 is the clip as it is; the changes of others follow from their keys.

    :param numbers: views of the clips of each split, e.g. {'train': (1, 2), 'dev': (0,)}.
    :param digest: of what the changes depend on.
    """

    def __init__(self, clips: Clips, numbers: Mapping[str, Sequence[int]], *,
                 audio: ChangeAudio | None = None, faces: ChangeFaces | None = None,
                 digest: str = '') -> None:
        super().__init__(clips, [
            replace(e, key=f'{e.key}{VIEW}{n}', group=f'{e.group}{VIEW}{n}')
            for e in clips.examples for n in numbers.get(e.split, ())], digest)
        self._audio, self._faces = audio, faces

    def audio(self, key: str) -> Int16 | None:
        clip, number = split_view_key(key)
        samples: Int16 | None = self._clips.audio(clip)
        if samples is None or not number or self._audio is None:
            return samples
        return self._audio(samples, keyed_generator(key))

    def faces(self, key: str) -> UInt8 | None:
        clip, number = split_view_key(key)
        crops: UInt8 | None = self._clips.faces(clip)
        if crops is None or not number or self._faces is None:
            return crops
        return self._faces(crops, keyed_generator(key))


def views_cut_to_speech(clips: Clips, numbers: Mapping[str, Sequence[int]]) -> AugmentedViews:
    """Return views that are cut to the speech, as by voice activity detection; 0 is not."""
    return AugmentedViews(clips, numbers, audio=lambda samples, _: cut_to_speech(samples),
                          digest=f'cut {MARGIN_S}')


def cut_to_speech(samples: Int16, margin_s: float = MARGIN_S) -> Int16:
    """Return the speech with a margin around it."""
    begin, end = speech_span(as_float(samples))
    margin = round(margin_s * SAMPLE_RATE)
    return samples[max(0, begin - margin):end + margin]
