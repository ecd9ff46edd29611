# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The audio encoder: torchaudio's WaveRNN to the letter, the paper's shapes, streamed = whole."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

from mmer_ros.networks import configs
from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig, AudioState
from mmer_ros.types import InvalidInput
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
import pytest
import torch
from torch import Tensor
from training.encoders.audio.stage import AudioConfig
from training.engine.config import load_settings

from ..fixtures.model import random_audio, seeded, TINY_AUDIO, TOLERANCE
from ..fixtures.stream import ROOT

PAPER = AudioEncoderConfig()
# One step a sample, as the paper has it, but narrow.
SAMPLEWISE = TINY_AUDIO.model_copy(update={'samples_per_step': 1, 'upsample_scales': (5, 8)})
BOTH = pytest.mark.parametrize('config', [TINY_AUDIO, SAMPLEWISE], ids=['4 a step', '1 a step'])


def encoder(config: AudioEncoderConfig) -> AudioEncoder:
    module: AudioEncoder = seeded(AudioEncoder, config, 7)
    return module


def waveform(samples: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(random_audio(samples, seed).astype(np.float32) / 32_768)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def whole(audio: AudioEncoder, wave: Tensor) -> Tensor:
    features, mask = audio(wave[None], torch.tensor([len(wave)]))
    assert mask.all()
    return features[0]


def streamed(audio: AudioEncoder, parts: list[Tensor]) -> Tensor:
    state = audio.start()
    for part in parts:
        audio.stream([state], [part.numpy()])
    return finished(audio, state)


def finished(audio: AudioEncoder, state: AudioState) -> Tensor:
    encoded = audio.finish([state])
    assert encoded is not None and encoded[1].all()
    return encoded[0][0]


def split(wave: Tensor, rng: np.random.Generator) -> list[Tensor]:
    """Cut at random places, with an empty part and parts of one sample among them."""
    cuts = rng.integers(0, len(wave), rng.integers(1, 12)).tolist()
    at = sorted([*cuts, cuts[0], 1, 2, len(wave) - 1])
    parts = list(torch.tensor_split(wave, at))
    assert 0 in map(len, parts) and 1 in map(len, parts)
    return parts


# ---------------------------------------------------------------- the paper's sizes


@pytest.mark.slow
@torch.inference_mode()
def test_paper_shapes_are_47200_by_512() -> None:
    """
    Section 4.1.2: (240 - kernel_size + 1) * hop_length = 47,200 steps of 512.

    These are 94,400 recurrent steps, some 13 s on two cores.
    """
    assert (240 - PAPER.kernel_size + 1) * PAPER.hop_length == 47_200
    features, _ = encoder(PAPER).sample_features(
        2 * noise(1, 47_200) - 1, noise(1, PAPER.n_freq, 240, seed=1), None)
    assert features.shape == (1, 47_200, 512)
    assert torch.isfinite(features).all()


@torch.inference_mode()
def test_hop_rate_of_the_paper_is_236_for_47200_samples() -> None:
    """The paper's spectrogram and hops, with narrow recurrent layers to be quick."""
    audio = encoder(PAPER.model_copy(update={'n_rnn': 8, 'n_res_block': 1}))
    seen: list[Any] = []
    audio.wavernn.upsample.resnet.register_forward_hook(lambda _m, x, _o: seen.append(x[0].shape))
    audio.wavernn.rnn2.register_forward_hook(lambda _m, _x, y: seen.append(y[0].shape))
    assert whole(audio, waveform(47_200)).shape == (236, 8)
    frames, *windows = seen
    assert frames == (1, 80, 240)
    assert sum(steps for _, steps, _ in windows) == 47_200


def test_recurrent_layers_are_torchaudios_up_to_the_fully_connected_ones() -> None:
    """With all of the paper's sizes, over three hops."""
    models = pytest.importorskip('torchaudio.models')
    audio = encoder(PAPER)
    full: Any = seeded(
        models.WaveRNN, [5, 5, 8], 256, 200, 10, 512, 512, 5, 80, 128, 128, seed=1)
    missing = full.load_state_dict(audio.wavernn.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert {name.split('.')[0] for name in missing.missing_keys} == {'fc1', 'fc2', 'fc3'}
    seen: list[Tensor] = []
    full.fc1.register_forward_hook(lambda _m, x, _o: seen.append(x[0]))
    wave, frames = 2 * noise(1, 600) - 1, noise(1, 80, 7, seed=1)
    with torch.inference_mode():
        full(wave[:, None], frames[:, None])
        features, _ = audio.sample_features(wave, frames, None)
    # fc1 takes these features and, behind them, a part of the conditioning
    torch.testing.assert_close(features, seen[0][..., :512], atol=TOLERANCE, rtol=0)


@BOTH
def test_state_is_carried_from_window_to_window(config: AudioEncoderConfig) -> None:
    """Two windows, the second from the state after the first, give what one window gives."""
    audio, hop = encoder(config), config.hop_length
    wave, frames = 2 * noise(1, 12 * hop) - 1, noise(1, config.n_freq, 16, seed=1)
    one, _ = audio.sample_features(wave, frames, None)
    head, state = audio.sample_features(wave[:, :5 * hop], frames[..., :9], None)
    tail, _ = audio.sample_features(wave[:, 5 * hop:], frames[..., 5:], state)
    torch.testing.assert_close(torch.cat([head, tail], 1), one, atol=TOLERANCE, rtol=0)
    fresh, _ = audio.sample_features(wave[:, 5 * hop:], frames[..., 5:], None)
    assert not torch.allclose(fresh, one[:, head.shape[1]:], atol=1e-3)


@torch.inference_mode()
def test_mu_law_is_the_published_vocoders_without_its_rounding() -> None:
    """The vocoder was trained on 256 levels of companded samples, not on linear ones."""
    linear = encoder(TINY_AUDIO)
    companded = AudioEncoder(TINY_AUDIO.model_copy(update={'waveform': 'mu_law'}), 7).eval()
    companded.load_state_dict(linear.state_dict())
    wave = 2 * noise(1, 10 * TINY_AUDIO.hop_length) - 1
    frames = noise(1, TINY_AUDIO.n_freq, 14, seed=1)
    levels = torch.tensor([[0.5 + 0.5 * math.copysign(math.log(1 + 255 * abs(x)) / math.log(256),
                                                      x) for x in wave[0].tolist()]])
    expected, _ = linear.sample_features(2 * levels - 1, frames, None)
    found, _ = companded.sample_features(wave, frames, None)
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    functional = pytest.importorskip('torchaudio.functional')
    rounded = functional.mu_law_encoding(wave, 256)  # 0..255
    assert (levels * 255 - rounded).abs().max() <= 0.501
    silence, _ = companded.sample_features(0 * wave, frames, None)
    torch.testing.assert_close(silence, linear.sample_features(0 * wave, frames, None)[0])
    speech = waveform(7 * TINY_AUDIO.hop_length + 3)
    torch.testing.assert_close(streamed(companded, [speech[:50], speech[50:]]),
                               whole(companded, speech), atol=TOLERANCE, rtol=0)


# ---------------------------------------------------------------- memory


def steps_at_once(audio: AudioEncoder) -> list[int]:
    """Return a list that gets the steps of each call of the recurrent layers."""
    seen: list[int] = []
    audio.wavernn.rnn1.register_forward_hook(lambda _m, x, _o: seen.append(x[0].shape[1]))
    return seen


@BOTH
@torch.inference_mode()
def test_long_speech_runs_in_windows_with_the_carried_state(
        config: AudioEncoderConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a clip is, the same number of steps is in memory, and nothing else changes."""
    audio, hop = encoder(config), config.hop_length
    wave = waveform(37 * hop + 5)
    one, at_once = whole(audio, wave), steps_at_once(audio)
    assert whole(audio, wave).shape == one.shape
    assert at_once == [38 * hop // config.samples_per_step]  # less than a window
    monkeypatch.setattr(configs, 'WINDOW_STEPS', 5 * hop // config.samples_per_step)
    at_once.clear()
    torch.testing.assert_close(whole(audio, wave), one, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(streamed(audio, [wave]), one, atol=TOLERANCE, rtol=0)
    assert max(at_once) == 5 * hop // config.samples_per_step


@BOTH
def test_checkpointing_keeps_a_window_and_changes_no_gradient(
        config: AudioEncoderConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, 'WINDOW_STEPS',
                        4 * config.hop_length // config.samples_per_step)
    batch = torch.stack([waveform(10 * config.hop_length, seed) for seed in range(3)])
    lengths = torch.tensor([10, 7, 3]) * config.hop_length
    found = {}
    for checkpointing in (False, True):
        audio = encoder(config).train().requires_grad_()
        kept = 0

        def keep(tensor: Tensor) -> Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            features, mask = audio.features(*audio.inputs(batch), lengths,
                                            checkpointing=checkpointing)
        features[mask].square().sum().backward()
        found[checkpointing] = (kept, features.detach(), [
            *(p.grad for p in audio.parameters() if p.grad is not None), *audio.buffers()])
    (plain, one, expected), (kept, windows, gradients) = found[False], found[True]
    assert kept < plain / 4
    torch.testing.assert_close(windows, one, atol=TOLERANCE, rtol=0)
    assert len(gradients) == len(expected) > 10
    for gradient, other in zip(gradients, expected):
        torch.testing.assert_close(gradient, other, atol=1e-4, rtol=1e-3)


# ---------------------------------------------------------------- spectrogram and pooling


def slaney_filters(config: AudioEncoderConfig) -> NDArray[np.float64]:
    """Triangles of unit area between mel points: linear below 1 kHz, logarithmic above."""
    def to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)

    points = to_hz(np.linspace(to_mel(config.f_min), to_mel(config.f_max), config.n_freq + 2))
    bins = np.linspace(0, 8_000, config.n_fft // 2 + 1)
    filters = [np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0,
                       None) * 2 / (high - low)
               for low, mid, high in zip(points, points[1:], points[2:])]
    return np.array(filters)


def spectrogram_by_hand(wave: NDArray[np.float64], config: AudioEncoderConfig
                        ) -> NDArray[np.float64]:
    """Magnitude mel spectrogram in dB, scaled so that -100 dB is 0 and 0 dB is 1."""
    window = np.zeros(config.n_fft)
    left = (config.n_fft - config.win_length) // 2
    window[left:left + config.win_length] = np.hanning(config.win_length + 1)[:-1]
    columns = []
    for start in range(0, len(wave) - config.n_fft + 1, config.hop_length):
        magnitude = np.abs(np.fft.rfft(wave[start:start + config.n_fft] * window))
        level = 20 * np.log10(np.maximum(slaney_filters(config) @ magnitude, 1e-5))
        columns.append(np.clip((level + 100) / 100, 0, 1))
    return np.array(columns).T


@pytest.mark.parametrize('config', [PAPER, TINY_AUDIO], ids=['paper', 'tiny'])
def test_spectrogram_is_mel_decibels(config: AudioEncoderConfig) -> None:
    wave = waveform(config.n_fft + 5 * config.hop_length)
    audio = encoder(config.model_copy(update={'n_rnn': 8}))
    out = audio.spectrogram(wave[None])[0].double().numpy()
    expected = spectrogram_by_hand(wave.double().numpy(), config)
    assert expected.shape == (config.n_freq, 6)
    assert ((expected > 0) & (expected < 1)).mean() > 0.9  # neither silent nor clipped
    np.testing.assert_allclose(out, expected, atol=1e-4)


@BOTH
def test_features_are_the_mean_over_each_hop_with_frames_centred_on_it(
        config: AudioEncoderConfig) -> None:
    """Frame i of the whole spectrogram covers n_fft samples around sample (i - 2) * hop."""
    audio, hop = encoder(config), config.hop_length
    wave = waveform(5 * hop)
    features = whole(audio, wave)
    around = np.pad(wave.double().numpy(), 2 * hop + config.n_fft // 2)
    frames = spectrogram_by_hand(around, config)[:, :5 + config.kernel_size - 1]
    with torch.inference_mode():
        samples, _ = audio.sample_features(
            wave[None], torch.from_numpy(frames).float()[None], None)
    steps = samples.shape[1] // 5
    for t in range(5):
        expected = sum(samples[0, t * steps + i] for i in range(steps)) / steps
        torch.testing.assert_close(features[t], expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------- padding, streaming


@BOTH
def test_zero_padding_of_a_batch_is_masked_and_has_no_effect(config: AudioEncoderConfig) -> None:
    audio, hop = encoder(config), config.hop_length
    lengths = torch.tensor([1, 3 * hop, 3 * hop + 1, 10 * hop - 1])
    batch = torch.zeros(4, 10 * hop)
    for row, length in enumerate(lengths):
        batch[row, :length] = waveform(int(length), row)
    features, mask = audio(batch, lengths)
    assert features.shape == (4, 10, config.n_rnn)
    assert mask.sum(1).tolist() == [1, 3, 4, 10]
    for row, length in enumerate(lengths):
        alone = whole(audio, batch[row, :length])
        torch.testing.assert_close(features[row][mask[row]], alone, atol=TOLERANCE, rtol=0)
        assert mask[row].tolist() == sorted(mask[row].tolist(), reverse=True)


@BOTH
@pytest.mark.parametrize('seed', range(6))
def test_streamed_is_whole_for_any_split(config: AudioEncoderConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    audio = encoder(config)
    wave = waveform(int(rng.integers(600, 1_500)), seed)
    torch.testing.assert_close(streamed(audio, split(wave, rng)), whole(audio, wave),
                               atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_streamed_is_whole_sample_by_sample() -> None:
    audio, wave = encoder(TINY_AUDIO), waveform(500)
    torch.testing.assert_close(streamed(audio, list(wave.split(1))), whole(audio, wave),
                               atol=TOLERANCE, rtol=0)


@BOTH
@pytest.mark.parametrize('samples', [1, 39, 40, 41, 255, 256, 257, 400])
def test_short_utterances_stream_as_well(config: AudioEncoderConfig, samples: int) -> None:
    """Shorter than a hop or than the spectrogram's window, and one sample around either."""
    audio, wave = encoder(config), waveform(samples)
    features = streamed(audio, [wave])
    assert features.shape == (-(-samples // 40), config.n_rnn)
    torch.testing.assert_close(features, whole(audio, wave), atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_streamed_is_whole_with_the_papers_sizes() -> None:
    """Only the recurrent layers are narrow here."""
    audio = encoder(PAPER.model_copy(update={'n_rnn': 16}))
    wave = waveform(5_000)
    parts = list(torch.split(wave, [1, 0, 1_999, 1_600, 1, 1_399]))
    torch.testing.assert_close(streamed(audio, parts), whole(audio, wave), atol=TOLERANCE,
                               rtol=0)


@BOTH
def test_partial_features_do_not_disturb_the_stream(config: AudioEncoderConfig) -> None:
    """`finish` in the middle gives the features so far; the end is as if nobody had asked."""
    audio, wave = encoder(config), waveform(900)
    state = audio.start()
    for i, part in enumerate(wave.split(100)):
        audio.stream([state], [part.numpy()])
        torch.testing.assert_close(finished(audio, state), whole(audio, wave[:100 * (i + 1)]),
                                   atol=TOLERANCE, rtol=0)


def test_work_is_done_while_speech_goes_on() -> None:
    """Only the look-ahead is left for the end: the state does not collect audio."""
    audio = encoder(TINY_AUDIO)
    state = audio.start()
    for part in waveform(8_000).split(400):
        audio.stream([state], [part.numpy()])
        assert state.wave.shape[1] < TINY_AUDIO.pad_samples + TINY_AUDIO.hop_length
        assert state.samples.shape[1] < TINY_AUDIO.n_fft
    done = sum(map(len, state.features))
    assert done >= (8_000 - TINY_AUDIO.pad_samples) // TINY_AUDIO.hop_length - 1


def test_no_audio_gives_nothing() -> None:
    audio = encoder(TINY_AUDIO)
    state = audio.start()
    assert state.empty and audio.finish([state]) is None
    audio.stream([state], [np.zeros(0, np.float32)])
    assert state.empty and audio.finish([state]) is None


def test_silence_is_audio() -> None:
    features = streamed(encoder(TINY_AUDIO), [torch.zeros(400)])
    assert features.shape == (10, 16) and torch.isfinite(features).all()


def test_upsampling_must_make_up_the_hop() -> None:
    with pytest.raises(ValidationError, match='must give hop_length 200'):
        AudioEncoderConfig(upsample_scales=(5, 5, 11))
    with pytest.raises(ValidationError, match='samples_per_step 4'):
        AudioEncoderConfig(samples_per_step=4)


@pytest.mark.parametrize('kernel', [1, 2, 4, -3])
def test_the_kernel_must_reach_as_far_back_as_ahead(kernel: int) -> None:
    with pytest.raises(ValidationError, match=f'kernel_size {kernel} must be odd and at least 3'):
        AudioEncoderConfig(kernel_size=kernel)
    with pytest.raises(InvalidInput, match=f'model: .*kernel_size {kernel} must be odd'):
        load_settings(AudioConfig, 'starter/audio', [f'model.kernel_size={kernel}'])


STANDARDISED = TINY_AUDIO.model_copy(update={'kernel_size': 9, 'mel_mean': 0.4, 'mel_std': 0.2})


@torch.inference_mode()
def test_the_spectrogram_may_be_standardised_in_whole_and_in_parts() -> None:
    audio, plain, wave = encoder(STANDARDISED), encoder(TINY_AUDIO), waveform(1_100)
    torch.testing.assert_close(audio.spectrogram(wave[None]),
                               (plain.spectrogram(wave[None]) - 0.4) / 0.2)
    parts = split(wave, np.random.default_rng(1))
    torch.testing.assert_close(streamed(audio, parts), whole(audio, wave), atol=TOLERANCE, rtol=0)
    unlike = encoder(STANDARDISED.model_copy(update={'mel_mean': 0.0, 'mel_std': 1.0}))
    assert not torch.allclose(whole(unlike, wave), whole(audio, wave), atol=1e-3)


@torch.inference_mode()
def test_settings_of_before_the_standardisation_give_the_same_to_the_bit() -> None:
    told = TINY_AUDIO.model_dump()
    del told['mel_mean'], told['mel_std']
    audio, wave = encoder(AudioEncoderConfig(**told)), waveform(700)
    level = 20 * torch.log10(audio.mel(wave[None]).clamp(min=1e-5))
    assert torch.equal(audio.spectrogram(wave[None]), ((level + 100) / 100).clamp(0, 1))


def test_the_spread_of_the_spectrogram_must_be_positive() -> None:
    with pytest.raises(ValidationError, match='mel_std'):
        AudioEncoderConfig(mel_std=0.0)


@BOTH
def test_spectrogram_is_torchaudios_to_the_bit(config: AudioEncoderConfig) -> None:
    transforms = pytest.importorskip('torchaudio.transforms')
    theirs = transforms.MelSpectrogram(
        16_000, config.n_fft, config.win_length, config.hop_length, config.f_min, config.f_max,
        n_mels=config.n_freq, power=1.0, center=False, norm='slaney', mel_scale='slaney')
    ours = encoder(config).mel
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, values in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], values), name
    samples = 2 * noise(2, 3_000) - 1
    assert torch.equal(ours(samples), theirs(samples))


def test_the_audio_encoder_does_without_torchaudio() -> None:
    """It has no release for torch 2.12, and a wrong pair of versions fails when it is loaded."""
    code = ("import sys; sys.modules['torchaudio'] = None\n"
            'import mmer_ros.recognition.pipeline, mmer_ros.cli.recognize')
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)
