# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Features of the fusion: the same in any batch, in memory that long clips do not use up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.networks.audio_encoder import AudioEncoder
from mmer_ros.types import EMOTIONS, Int16, Modality, SAMPLE_RATE
import numpy as np
import pytest
from rich.console import Console
import torch
from torch import Tensor
from training.corpora.examples import Example
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion import features, train_bundle
from training.fusion.features import make_features
from training.fusion.stage import FusionRecipe

from ...fixtures.model import random_audio, seeded, TINY_AUDIO

QUIET = Reporter('features', Console(quiet=True))
SECONDS = {'dev/a': 0.3, 'dev/b': 9.0, 'dev/c': 0.4, 'dev/d': 0.35}  # one is far longer


class Sounds:
    """Clips with sound only."""

    digest = 'sounds'
    examples = [Example(key, 'dev', labels=(0,)) for key in SECONDS]

    def audio(self, key: str) -> Int16 | None:
        return random_audio(round(SECONDS[key] * SAMPLE_RATE), list(SECONDS).index(key))

    def faces(self, key: str) -> None:
        return None

    def modalities(self, key: str) -> Modality:
        return Modality.AUDIO

    def sizes(self, key: str) -> tuple[int, int]:
        return round(SECONDS[key] * SAMPLE_RATE), 0


def test_a_long_clip_is_not_padded_against_and_its_features_are_those_of_one_pass(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder: AudioEncoder = seeded(AudioEncoder, TINY_AUDIO, len(EMOTIONS))
    seen: list[Sequence[int]] = []
    hidden: list[tuple[int, int]] = []
    encode = encoder.encode

    def watched(evidence: Sequence[Int16], contexts: Sequence[object]) -> object:
        seen.append([len(samples) for samples in evidence])
        return encode(evidence, contexts)  # type: ignore[arg-type]

    monkeypatch.setattr(encoder, 'encode', watched)
    monkeypatch.setattr('mmer_ros.networks.configs.WINDOW_STEPS', 1000)
    monkeypatch.setitem(features.TOTAL, Modality.AUDIO, 2 * SAMPLE_RATE)
    encoder.wavernn.rnn1.register_forward_hook(
        lambda _m, x, _o: hidden.append(tuple(x[0].shape[:2])))
    cache = make_features(
        {Modality.AUDIO: TrainedEncoder(Modality.AUDIO, TINY_AUDIO, encoder, {})}, Sounds(),
        tmp_path, QUIET, splits=['dev'], device=torch.device('cpu'))
    assert sorted(map(len, seen)) == [1, 3]
    assert max(rows * steps for rows, steps in hidden) <= 3 * 1000
    monkeypatch.undo()
    with torch.inference_mode():
        for key in SECONDS:
            samples = Sounds().audio(key)
            assert samples is not None
            wave = torch.from_numpy(samples.astype(np.float32) / 32_768)
            expected: Tensor = encoder(wave[None], torch.tensor([len(wave)]))[0][0]
            found = cache.get(key)[Modality.AUDIO]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('reply', [False, True])
def test_a_fusion_is_trained_selected_and_calibrated_with_the_reply_where_the_recipe_says_so(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: bool) -> None:
    """The paper's text had the reply; a robot has not."""
    asked: list[object] = []

    def make(*_: object, splits: Sequence[str], with_reply: bool) -> None:
        asked.append((tuple(splits), with_reply))
        raise StopAsyncIteration

    monkeypatch.setattr(train_bundle, 'make_features', make)
    with pytest.raises(StopAsyncIteration):
        train_bundle.train_bundle(
            FusionRecipe(reply=reply), {}, Sounds(), tmp_path,  # type: ignore[arg-type]
            tmp_path, QUIET, 'bundle')
    assert asked == [(('train', 'dev'), reply)]
    assert ('had the reply' in train_bundle.card('bundle', {}, reply=reply)) == reply
