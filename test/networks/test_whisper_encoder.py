# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The Whisper backbone: the published network's states, streamed = whole, pooled mean = map."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.log_mel import log_mel
from mmer_ros.networks.pretrained import load_whisper, PretrainedUnavailable
from mmer_ros.networks.whisper_encoder import STATE_HOP, WhisperEncoder, WhisperEncoderConfig
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.bundle_export import export_bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import Increment
from mmer_ros.types import Modality, SAMPLE_RATE, Utterance
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
import pytest
import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor, WhisperModel

from ..fixtures.model import random_audio, seeded, TINY, tiny_bundle
from ..fixtures.whisper import save_whisper

SMALL = WhisperEncoderConfig(d_model=16, n_layer=2, n_head=2, n_inner=32, states=(1, 2),
                             window_s=0.5, width=6)
WINDOW = SMALL.window
LENGTHS = [1, STATE_HOP, WINDOW - 1, WINDOW * 3 // 2, WINDOW * 3 // 2 + 1, 3 * WINDOW + 77]


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with graphs."""
    folder = tmp_path_factory.mktemp('bundle') / 'mine'
    tiny_bundle(model=TINY.model_copy(update={'audio': SMALL})).save(folder)
    export_bundle(folder)
    return folder


def encoder(config: WhisperEncoderConfig = SMALL) -> WhisperEncoder:
    module: WhisperEncoder = seeded(WhisperEncoder, config, 7)
    return module


def streamed(network: WhisperEncoder, parts: list[NDArray[np.int16]]) -> Tensor:
    state = network.start()
    for part in parts:
        network.stream([state], [part])
    encoded = network.finish([state])
    assert encoded is not None and encoded[1].all()
    return encoded[0][0]


@pytest.fixture(scope='module')
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a small Whisper of random weights, as published ones are."""
    return save_whisper(tmp_path_factory.mktemp('whisper'))


@torch.inference_mode()
def test_states_are_those_of_the_published_network(whisper: Path) -> None:
    """On a clip of Whisper's own 30 s both see the same, positions included."""
    network = encoder(SMALL.model_copy(update={'window_s': 15.0, 'states': (0, 1, 2)}))
    load_whisper(network, str(whisper))
    published = WhisperModel.from_pretrained(whisper).encoder.eval()
    sound = random_audio(15 * SAMPLE_RATE).astype(np.float32) / 32_768
    extractor = WhisperFeatureExtractor.from_pretrained(whisper)
    mel = extractor(sound, sampling_rate=SAMPLE_RATE, padding='max_length',
                    max_length=len(sound), return_tensors='pt').input_features
    np.testing.assert_allclose(log_mel(sound, SMALL.n_mels), mel[0], atol=1e-4, rtol=0)
    count = len(sound) // STATE_HOP
    published.embed_positions = torch.nn.Embedding.from_pretrained(
        published.embed_positions.weight[:count])
    published.config.max_source_positions = count
    expected = published(mel, output_hidden_states=True).hidden_states[:3]
    torch.testing.assert_close(network.states(sound),
                               torch.cat([each[0] for each in expected], dim=1),
                               atol=1e-3, rtol=1e-3)


def test_a_whisper_of_other_sizes_is_refused_by_name(whisper: Path) -> None:
    with pytest.raises(PretrainedUnavailable, match='layers.3'):
        load_whisper(encoder(SMALL.model_copy(update={'n_layer': 4})), str(whisper))
    with pytest.raises(PretrainedUnavailable, match='conv1.weight'):
        load_whisper(encoder(SMALL.model_copy(update={'d_model': 32})), str(whisper))


@torch.inference_mode()
@pytest.mark.parametrize('length', LENGTHS)
def test_parts_give_the_features_of_the_whole_to_the_bit(length: int) -> None:
    network, sound = encoder(), random_audio(length)
    whole = network.encode([sound], [])
    assert whole is not None
    rng = np.random.default_rng(length)
    for _ in range(3):
        cuts = np.sort(rng.integers(0, length + 1, 7))
        assert torch.equal(streamed(network, np.split(sound, cuts)), whole[0][0])
    assert whole[0].shape[2] == network.width == SMALL.width


@torch.inference_mode()
def test_an_estimate_before_the_end_changes_nothing() -> None:
    network, sound = encoder(), random_audio(2 * WINDOW + 50)
    state = network.start()
    assert state.empty and network.finish([state]) is None
    for part in np.array_split(sound, 9):
        network.stream([state], [part])
        network.finish([state])
    encoded = network.finish([state])
    assert encoded is not None
    assert torch.equal(encoded[0][0], streamed(network, [sound]))


@torch.inference_mode()
def test_what_is_left_for_the_end_does_not_grow_with_the_utterance() -> None:
    network = encoder()
    state = network.start()
    for second in range(12):
        network.stream([state], [random_audio(SAMPLE_RATE, second)])
        assert len(state.samples) <= WINDOW * 3 // 2
    assert len(state.windows) * WINDOW + len(state.samples) == 12 * SAMPLE_RATE


@torch.inference_mode()
def test_the_mean_feature_is_a_map_of_mean_and_deviation() -> None:
    network = encoder()
    states = network.whole(random_audio(2 * WINDOW))
    mean, deviation = states.mean(dim=0), states.std(dim=0, correction=0)
    moments = network.moments(states)
    torch.testing.assert_close(moments, torch.cat([mean, deviation]), atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(network.features(states).mean(dim=0), network.project(moments),
                               atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_utterances_side_by_side_are_those_alone() -> None:
    network = encoder()
    sounds = [random_audio(n, seed) for seed, n in enumerate((400, 9_000, 25_000))]
    together = network.encode([sounds[0], None, *sounds[1:]], [])
    assert together is not None
    features, mask = together
    assert not mask[1].any()
    for row, sound in zip((0, 2, 3), sounds):
        assert torch.equal(features[row][mask[row]], streamed(network, [sound]))


def test_states_of_layers_that_are_not_kept_are_refused() -> None:
    with pytest.raises(ValidationError, match='layers 0 to 2'):
        WhisperEncoderConfig(n_layer=2, states=(2, 3))


@pytest.mark.parametrize('length', LENGTHS)
def test_its_graphs_agree_and_give_the_whole_to_the_bit(length: int, exported: Path) -> None:
    torch_one, onnx_one = (Recognizer.load(exported, engine=e) for e in ('torch', 'onnx'))
    sound = random_audio(length)
    whole = onnx_one.recognize(Utterance(audio=sound))
    assert np.abs(torch_one.recognize(Utterance(audio=sound)).logits - whole.logits).max() < 1e-4
    for cuts in ([], [1], [length // 3, length // 2], list(range(0, length, WINDOW // 7))):
        states = onnx_one.encoders.start()
        for part in np.split(sound, cuts):
            onnx_one.encoders.stream([Increment(states, {
                Modality.TEXT: '', Modality.AUDIO: part, Modality.FACE: None})])
            if not states[Modality.AUDIO].empty:
                onnx_one.finish([states], [DialogueContext()])  # changes nothing
        streamed = onnx_one.finish([states], [DialogueContext()])[0]
        np.testing.assert_array_equal(streamed.logits, whole.logits)


def test_a_bundle_with_it_answers_alike_after_saving(tmp_path: Path) -> None:
    model = TINY.model_copy(update={'audio': SMALL})
    bundle = tiny_bundle(model=model)
    bundle.save(tmp_path / 'mine')
    loaded = Bundle.load(tmp_path / 'mine')
    assert loaded.config.model.audio == SMALL
    utterance = Utterance(audio=random_audio(20_000))
    before, after = (Recognizer(each).recognize(utterance) for each in (bundle, loaded))
    np.testing.assert_array_equal(before.probabilities, after.probabilities)
