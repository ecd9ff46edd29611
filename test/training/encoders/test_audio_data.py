# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training data of the audio encoder: bare speech first, then speech as recorded."""

from __future__ import annotations

from typing import Any

from mmer_ros.networks.audio_encoder import AudioEncoder
from mmer_ros.types import SAMPLE_RATE
import numpy as np
import pytest
import torch
from training.augment.speech import SpeechConfig
from training.corpora.examples import Example
from training.encoders.audio.data import AudioData, AudioDataConfig
from training.encoders.audio.stage import AudioModule, RegularisationConfig
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.sampling import Draw

from ...fixtures.model import TINY_AUDIO

SECOND = SAMPLE_RATE


class OneClip:
    """A second of a tone between two seconds of silence."""

    examples = [Example('train/a', 'train', labels=(4,))]
    sound = np.concatenate([np.zeros(SECOND), 9_000 * np.sin(np.arange(SECOND) / 8),
                            np.zeros(SECOND)]).astype(np.int16)

    def audio(self, key: str) -> np.ndarray:
        return self.sound

    def sizes(self, key: str) -> tuple[int, int]:
        return len(self.sound), 0


def drawn(epoch: int, *, training: bool = True, **config: Any) -> list[np.ndarray]:
    """Return the samples of an epoch for twenty seeds."""
    settings = AudioDataConfig(plain_epochs=2, **config)
    clips: Any = OneClip()
    data = AudioData(clips, settings, None, clips.examples, training)
    return [data[Draw(0, epoch, seed)].values.numpy() for seed in range(20)]


def test_the_first_epochs_are_of_the_speech_alone():
    noisy = SpeechConfig(gain_db=0, noise=1, noise_db=0)
    for samples in drawn(1, speech=noisy):
        assert abs(len(samples) - SECOND) <= SECOND // 50
        assert np.allclose(samples[400:9_000], OneClip.sound[SECOND + 400:SECOND + 9_000] / 32_768,
                           atol=1e-3)


def test_later_epochs_have_silence_around_it_and_are_augmented():
    later = drawn(2, speech=SpeechConfig(gain_db=0))
    lengths = {len(samples) for samples in later}
    assert len(lengths) > 10 and max(lengths) > 1.5 * SECOND
    noisy = drawn(2, speech=SpeechConfig(gain_db=0, noise=1, noise_db=0))
    assert sum(np.abs(samples[:100]).max() > 0 for samples in noisy) >= 10  # babble pauses


def test_long_speech_is_cut_to_a_window():
    assert {len(samples) for samples in drawn(0, train_s=0.5)} == {SECOND // 2}


def test_in_evaluation_the_clip_is_unchanged():
    samples, *_ = drawn(0, training=False)
    np.testing.assert_array_equal(samples, OneClip.sound.astype(np.float32) / 32_768)


def test_non_speech_is_drawn_independently_of_the_augmentation():
    clips: Any = OneClip()
    settings = AudioDataConfig(plain_epochs=2, non_speech=0.5, speech=SpeechConfig(gain_db=0))
    data = AudioData(clips, settings, None, clips.examples, training=True)
    items = [data[Draw(0, 2, seed)] for seed in range(80)]
    kept = [i.values for i in items if not i.key.endswith('(non-speech)')]
    assert 20 < len(kept) < 60
    silent = [int(values.nonzero()[0]) for values in kept]  # before the speech, up to 1 s
    assert 0.25 < np.mean([count > SECOND / 2 for count in silent]) < 0.75
    others = [i for i in items if i.key.endswith('(non-speech)')]
    assert all(i.target.tolist() == [pytest.approx(1 / 7)] * 7 for i in others)
    assert len({len(i.values) for i in others}) > 10
    assert not any('non-speech' in data[Draw(0, 1, seed)].key for seed in range(80))


def test_half_precision_leaves_the_decibels_as_they_are():
    torch.manual_seed(0)
    module = AudioModule(AudioEncoder(TINY_AUDIO, 7), RegularisationConfig(), None,
                         EmotionLoss(LossConfig(), [1.0] * 7)).eval()
    quiet = torch.randn(2, 4_000) * 1e-3
    batch = {'values': quiet, 'lengths': torch.tensor([4_000, 3_000]), 'targets': torch.eye(7)[:2]}
    seen: list[torch.Tensor] = []
    module.encoder.wavernn.upsample.register_forward_hook(lambda _m, x, _o: seen.append(x[0]))
    with torch.inference_mode():
        full = module(batch).logits
        with torch.autocast('cpu', dtype=torch.bfloat16):
            half = module(batch).logits
    assert torch.equal(*seen) and seen[0].dtype == torch.float32
    torch.testing.assert_close(half.float(), full, atol=0.02, rtol=0)


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_of_some_utterances_only_the_spectrogram_is_seen(share: float):
    torch.manual_seed(0)
    module = AudioModule(AudioEncoder(TINY_AUDIO, 7), RegularisationConfig(wave_dropout=share),
                         None, EmotionLoss(LossConfig(), [1.0] * 7))
    seen: list[torch.Tensor] = []
    module.encoder.wavernn.fc.register_forward_hook(lambda _m, x, _o: seen.append(x[0]))
    sound = torch.randn(2, 4_000) * 0.1
    batch = {'values': sound, 'lengths': torch.tensor([4_000] * 2), 'targets': torch.eye(7)[:2]}
    for training in (True, False):
        module.train(training)(batch)
    learning, asked = (x[..., :TINY_AUDIO.samples_per_step] for x in seen)
    assert bool(learning.any()) == (share == 0.0) and asked.any()
