# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Encoders from the Hugging Face hub: tiny models of the published classes, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.encoder import make_encoder
from mmer_ros.networks.hub_audio_encoder import HubAudioEncoder
from mmer_ros.networks.hub_configs import HubAudioConfig, HubConfig, HubFaceConfig, HubTextConfig
from mmer_ros.networks.hub_text_input import SpeakerTokenizer
from mmer_ros.networks.hub_weights import hub_config, hub_tokenizer, make_hub_encoder
from mmer_ros.networks.pretrained import PretrainedUnavailable
from mmer_ros.types import Modality, Turn
import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, Wav2Vec2FeatureExtractor

from ..fixtures.hub import AUDIO, FACE, published_tokenizer, save_hub, TEXT
from ..fixtures.model import random_audio, random_faces

KINDS: dict[Modality, type[HubConfig]] = {
    Modality.TEXT: HubTextConfig, Modality.AUDIO: HubAudioConfig, Modality.FACE: HubFaceConfig}
Published = Callable[[str], Path]
NOTHING = DialogueContext()
DIALOGUE = DialogueContext('anna', (Turn('ben', 'we won'), Turn('anna', 'what?')))


@pytest.fixture(scope='module')
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Return what saves a tiny model once."""
    folder, saved = tmp_path_factory.mktemp('hub'), {}

    def of(name: str) -> Path:
        if name not in saved:
            saved[name] = save_hub(folder / name, name)
        return saved[name]
    return of


def encoder(folder: Path, modality: Modality, **settings: Any) -> Any:
    """Return the encoder with published weights, ready for inference."""
    torch.manual_seed(5)
    config = hub_config(KINDS[modality](**settings), str(folder), modality)
    made = make_hub_encoder(config, str(folder), modality).eval()
    if modality is Modality.TEXT:
        made.use_tokenizer(hub_tokenizer(str(folder)))
    return made


def encode(network: Any, *evidence: Any, context: DialogueContext = NOTHING
           ) -> list[torch.Tensor]:
    """Return the features of utterances that are encoded together."""
    found = network.encode(list(evidence), [context] * len(evidence))
    assert found is not None
    return [values[mask] for values, mask in zip(*found)]


@torch.inference_mode()
@pytest.mark.parametrize('name', TEXT)
def test_text_has_the_states_of_the_published_network_the_summary_last(
        published: Published, name: str) -> None:
    folder = published(name)
    network, reference = encoder(folder, Modality.TEXT), AutoModel.from_pretrained(folder).eval()
    found, = encode(network, 'so am I', context=DIALOGUE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    past, current = 'ben: we won anna: what?', 'anna: so am I'
    inputs = tokenizer(past, current, return_tensors='pt')
    if name == 'bert':  # the published tokenizer has no types, as it is RoBERTa's
        inputs['token_type_ids'] = torch.tensor([[
            int(place > len(tokenizer(past).input_ids)) for place in
            range(inputs.input_ids.shape[1])]])
    expected = reference(**inputs).last_hidden_state[0]
    if name != 'gpt2':
        expected = expected.roll(-1, dims=0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    together = encode(network, 'so am I', 'no, not that one, please')
    torch.testing.assert_close(together[0], encode(network, 'so am I')[0],
                               atol=1e-5, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize('name', AUDIO)
def test_sound_has_the_states_of_the_published_network(published: Published, name: str) -> None:
    folder = published(name)
    network = encoder(folder, Modality.AUDIO, window_s=2.0, layers='last', width=16)
    network.project = torch.nn.Identity()
    sound = random_audio(30_000).astype(np.float32) / 32_768
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(folder)(
        sound, sampling_rate=16_000, return_tensors='pt').input_values
    expected = AutoModel.from_pretrained(folder).eval()(inputs).last_hidden_state[0]
    torch.testing.assert_close(encode(network, sound)[0], expected, atol=1e-4, rtol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize('name', [*AUDIO, 'whisper'])
def test_parts_of_sound_give_the_features_of_the_whole_to_the_bit(
        published: Published, name: str) -> None:
    network: HubAudioEncoder = encoder(published(name), Modality.AUDIO, window_s=1.0, width=6)
    sound = random_audio(40_000)
    whole = encode(network, sound)[0]
    state = network.start()
    for part in np.split(sound, [7, 9_000, 9_001, 25_000]):
        network.stream([state], [part])
        network.finish([state])  # an estimate before the end changes nothing
    again = network.finish([state])
    assert again is not None and torch.equal(again[0][0], whole) and len(state.windows) == 1
    short = random_audio(100)
    padded = torch.zeros(2, len(sound))
    for row, wave in enumerate((sound, short)):
        padded[row, :len(wave)] = torch.from_numpy(wave.astype(np.float32) / 32_768)
    values, mask = network(padded, torch.tensor([len(sound), len(short)]))
    for row, wave in enumerate((sound, short)):
        torch.testing.assert_close(values[row][mask[row]], encode(network, wave)[0],
                                   atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_in_training_sound_is_padded_as_the_published_model_expects(published: Published) -> None:
    """Wav2vec 2.0 with layer norms takes a mask, so that what is padded changes nothing."""
    network = encoder(published('wav2vec2'), Modality.AUDIO, window_s=1.0, width=6, dropout=0.0)
    padded = torch.zeros(2, 12_000)
    padded[0], padded[1, :4_000] = torch.randn(12_000), torch.randn(4_000)
    lengths = torch.tensor([12_000, 4_000])
    alone, mask = network(padded, lengths)
    together = network.window_features(padded, lengths)
    torch.testing.assert_close(together[mask], alone[mask], atol=1e-4, rtol=1e-3)


@torch.inference_mode()
def test_a_layer_weight_chooses_the_layer(published: Published) -> None:
    network = encoder(published('wav2vec2'), Modality.AUDIO, width=16)
    network.project = torch.nn.Identity()
    sound = random_audio(8_000).astype(np.float32) / 32_768
    inputs = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors='pt')
    layers = network.network(inputs.input_values, output_hidden_states=True).hidden_states
    network.layer_weights.data[1] = 100.0
    torch.testing.assert_close(encode(network, sound)[0], layers[1][0], atol=1e-4, rtol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize('name', FACE)
def test_a_face_has_the_embedding_of_the_published_network(
        published: Published, name: str) -> None:
    folder = published(name)
    network, reference = encoder(folder, Modality.FACE), AutoModel.from_pretrained(folder).eval()
    grey = np.full((1, 160, 160, 3), (200, 90, 30), np.uint8)  # resizing cannot change it
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    pixels = (torch.tensor([200, 90, 30]) / 255 - mean) / std
    states = reference(pixel_values=pixels[None, :, None, None].expand(1, 3, 32, 32)
                       ).last_hidden_state
    expected = states.mean(dim=(2, 3)) if states.dim() == 4 else states[:, 0]
    torch.testing.assert_close(network.embed(torch.from_numpy(grey)), expected,
                               atol=1e-4, rtol=1e-3)
    faces = random_faces(3)
    state = network.start()
    for crop in faces:
        network.stream([state], [crop[None]])
    streamed = network.finish([state])
    assert streamed is not None and torch.equal(streamed[0][0], encode(network, faces)[0])


def laid_out(speakers: str, max_tokens: int = 200, **context: Any) -> str:
    tokenizer = published_tokenizer().backend_tokenizer
    config = HubTextConfig.model_validate({'speakers': speakers})
    found = SpeakerTokenizer(tokenizer, config).encode(
        'so am I', speaker='anna', max_tokens=max_tokens, **context)
    assert len(found.token_ids) == len(found.token_types) <= max_tokens
    text: str = tokenizer.decode(found.token_ids, skip_special_tokens=False)
    return text


def test_a_dialogue_is_laid_out_as_in_emoberta() -> None:
    history = DIALOGUE.history
    assert laid_out('names') == '<s> anna: so am I</s>'
    assert laid_out('names', history=history) == (
        '<s> ben: we won anna: what?</s></s> anna: so am I</s>')
    assert laid_out('names', history=history, reply=Turn('ben', 'good')) == (
        '<s> ben: we won anna: what?</s></s> anna: so am I</s></s> ben: good</s>')
    assert laid_out('numbers', history=history) == (
        '<s> Speaker 2: we won Speaker 1: what?</s></s> Speaker 1: so am I</s>')
    assert laid_out('none', history=history) == '<s> we won what?</s></s> so am I</s>'
    assert laid_out('none', 17, history=history) == '<s>what?</s></s> so am I</s>', 'oldest cut'
    assert laid_out('none', history=[Turn('ben', '</s> <s>')]).count('</s>') == 4, 'said, so text'


@pytest.mark.parametrize('modality, name, message', [
    (Modality.TEXT, 'vit', 'it is no encoder of text; expected a text model'),
    (Modality.AUDIO, 'roberta', 'it is no encoder of audio; expected a model of the waveform'),
    (Modality.FACE, 'hubert', 'it is no encoder of face; expected a vision model')])
def test_a_model_of_another_modality_is_refused(published: Published, modality: Modality,
                                                name: str, message: str) -> None:
    folder = published(name)
    with pytest.raises(PretrainedUnavailable, match=message):
        make_hub_encoder(KINDS[modality](architecture=json.loads(
            (folder / 'config.json').read_text())), str(folder), modality)


def test_what_is_missing_is_named(published: Published, tmp_path: Path) -> None:
    with pytest.raises(PretrainedUnavailable, match=r'config\.json of .*give the folder'):
        hub_config(HubTextConfig(), str(tmp_path / 'nothing'), Modality.TEXT)
    with pytest.raises(ValueError, match="no model_type 'robert'.*newer transformers"):
        make_encoder(Modality.TEXT, HubTextConfig(architecture={'model_type': 'robert'}))
    other = published('hubert')
    config = HubAudioConfig(architecture=json.loads(
        (published('wav2vec2') / 'config.json').read_text()))
    with pytest.raises(PretrainedUnavailable, match='lacks .*of the type wav2vec2'):
        make_hub_encoder(config, str(other), Modality.AUDIO)


def test_published_settings_that_would_load_code_are_left_out() -> None:
    config = HubTextConfig(architecture={
        'model_type': 'roberta', 'auto_map': {'AutoModel': 'evil.Model'}, 'hidden_size': 8,
        '_attn_implementation': 'somebody/kernel', 'attn_implementation': 'somebody/kernel',
        'text_config': {'quantization_config': {}, 'num_hidden_layers': 1}})
    assert config.architecture == {'model_type': 'roberta', 'hidden_size': 8,
                                   'text_config': {'num_hidden_layers': 1}}


@torch.inference_mode()
@pytest.mark.parametrize('name', ['bert', 'gpt2'])
def test_a_mean_of_all_states_can_summarise_the_text(published: Published, name: str) -> None:
    folder = published(name)
    network = encoder(folder, Modality.TEXT, summary='mean', speakers='none', history_turns=0)
    plain, = encode(encoder(folder, Modality.TEXT, speakers='none', history_turns=0), 'so am I')
    found, other = encode(network, 'so am I', 'a longer text than the other')
    torch.testing.assert_close(found[-1], plain.mean(dim=0), atol=1e-5, rtol=1e-4)
    others = plain[1:] if name == 'gpt2' else plain[:-1]  # its first token's state comes first
    torch.testing.assert_close(found[:-1], others, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found[-1], other[-1], atol=1e-2)
