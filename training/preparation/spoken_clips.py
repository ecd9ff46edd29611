# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clips cut to what is spoken, by the voice activity detection of the robot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.sensing.audio_front_end import PcmRun
from mmer_ros.sensing.speech_segmenter import SpeechConfig, SpeechSegmenter
from mmer_ros.sensing.vad import SpeechProbability
from mmer_ros.types import Int16
import numpy as np
from rich.console import Console
import torch
from torch import Tensor
from training.corpora.clips import ClipsWrapper
from training.engine.files import fingerprint
from training.engine.tensor_store import make_store


class SpokenClips(ClipsWrapper):
    """
    A cache whose audio holds only speech; the cut audio is kept on disk.

    Clips without detected speech, such as laughs and sobs, stay whole.

    :param cache: a ClipCache.
    :param folder: gets a subfolder named by audio and settings, which runs may share; the same
        call resumes.
    :raises InvalidInput: if the folder cannot be written.
    """

    def __init__(self, cache: Any, folder: Path, console: Console,
                 config: SpeechConfig | None = None) -> None:
        config = config or SpeechConfig()
        keys = sorted(e.key for e in cache.examples if cache.sizes(e.key)[0])
        name = fingerprint(cache.digest, config.model_dump_json(), *keys)
        super().__init__(cache, [e for e in cache.examples if cache.sizes(e.key)[0]],
                         f'spoken {config.model_dump_json()}')
        self._store = make_store(folder / name, keys, _Cutter(cache, config),
                                 title='voice activity', console=console)

    def audio(self, key: str) -> Int16:
        """Return the speech of a clip, (n,) int16, 16 kHz mono."""
        samples: Int16 = self._store.get(key).numpy()
        return samples

    def sizes(self, key: str) -> tuple[int, int]:
        """Return the number of audio samples and of faces."""
        return self._store.steps(key), self._clips.sizes(key)[1]


class _Cutter:
    """Cuts clips; voice activity is loaded on first use."""

    def __init__(self, cache: Any, config: SpeechConfig) -> None:
        self._cache, self._config = cache, config
        self._probability: SpeechProbability | None = None

    def __call__(self, keys: Sequence[str]) -> Mapping[str, Tensor]:
        self._probability = self._probability or SpeechProbability()
        segmenter = SpeechSegmenter(self._config, self._probability)
        return {key: torch.from_numpy(spoken(self._cache.audio(key), segmenter)) for key in keys}


def spoken(samples: Int16, segmenter: SpeechSegmenter) -> Int16:
    """Return the utterances in a clip, joined; the whole clip if there is none."""
    pieces = segmenter.push(PcmRun(0.0, samples, restart=True)) + segmenter.close()
    return np.concatenate([piece.audio for piece in pieces]) if pieces else samples
