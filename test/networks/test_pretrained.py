# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Published weights: from local files they are loaded, without them one sentence says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
import socket
from typing import Any

from facenet_pytorch import InceptionResnetV1
import huggingface_hub.constants
from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.networks.encoder import DialogueContext
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.networks.pretrained import (
    load_facenet,
    load_gpt,
    load_sentence_encoder,
    load_wavernn,
    PretrainedUnavailable,
)
from mmer_ros.networks.text_encoder import (
    byte_tokenizer,
    SPECIAL_TOKENS,
    TextEncoder,
    TextEncoderConfig,
)
import pytest
from tokenizers import models, pre_tokenizers, Tokenizer
import torch
from torchaudio.models import WaveRNN
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    OpenAIGPTModel,
    PreTrainedTokenizerFast,
)

from ..fixtures.model import random_faces, seeded, TINY, TINY_AUDIO

WORDS = ['<unk>', 'how', 'was', 'i', 'to', 'know']
GPT = TextEncoderConfig(vocab_size=len(WORDS) + len(SPECIAL_TOKENS), n_positions=32, n_embd=16,
                        n_layer=2, n_head=2)
FACENET = FaceEncoderConfig(hidden=8)


def words_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, '<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def published_gpt(folder: Path, tokenizer: Tokenizer | None, seed: int = 1) -> OpenAIGPTModel:
    """Write a GPT as `save_pretrained` does, without the dialogue's tokens."""
    config = GPT.model_copy(update={'vocab_size': len(WORDS)})
    gpt: OpenAIGPTModel = seeded(TextEncoder, config, 7, seed=seed).gpt
    gpt.save_pretrained(folder)
    if tokenizer is not None:
        PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return gpt


@cache
def published_wavernn() -> Any:
    """Return a WaveRNN of the architecture of torchaudio's LJSpeech vocoder (8 bits, 22 kHz)."""
    return seeded(WaveRNN, [5, 5, 11], 256, 275, 10, 512, 512, 5, 80, 128, 128, seed=1)


def one_sentence(load: Callable[..., Any], *args: Any) -> str:
    """Return why it cannot be loaded; the message must be one line."""
    with pytest.raises(PretrainedUnavailable) as error:
        load(*args)
    message = str(error.value)
    assert '\n' not in message and 'Traceback' not in message
    return message


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take network and caches away."""
    def closed(*_args: Any, **_kwargs: Any) -> None:
        raise socket.gaierror('the network is closed')

    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(socket, 'getaddrinfo', closed)
    monkeypatch.setattr(socket.socket, 'connect', closed)


# ---------------------------------------------------------------- GPT


def test_gpt_of_a_folder_is_loaded_and_gets_the_dialogues_tokens(tmp_path: Path) -> None:
    published = published_gpt(tmp_path, words_tokenizer())
    encoder: TextEncoder = seeded(TextEncoder, GPT, 7)
    fresh = encoder.gpt.tokens_embed.weight.clone()
    tokenizer = load_gpt(encoder, str(tmp_path))
    assert tokenizer.get_vocab_size() == GPT.vocab_size
    loaded, expected = encoder.gpt.state_dict(), published.state_dict()
    assert set(loaded) == set(expected)
    embeddings = 'tokens_embed.weight'
    for name in set(loaded) - {embeddings}:
        assert torch.equal(loaded[name], expected[name]), name
    assert torch.equal(loaded[embeddings][:len(WORDS)], expected[embeddings])
    assert torch.equal(loaded[embeddings][len(WORDS):], fresh[len(WORDS):])


@torch.inference_mode()
def test_loaded_gpt_encodes_dialogues(tmp_path: Path) -> None:
    """Words keep the ids that the network knows; the dialogue's tokens come after them."""
    published_gpt(tmp_path, words_tokenizer())
    encoder: TextEncoder = seeded(TextEncoder, GPT, 7)
    encoder.use_tokenizer(load_gpt(encoder, str(tmp_path)))
    dialogue = encoder.tokenizer
    assert dialogue is not None
    ids = dialogue.encode('how was i').token_ids
    assert ids == [dialogue.bos, dialogue.speaker1, 1, 2, 3, dialogue.cls]
    assert min(dialogue.bos, dialogue.speaker1, dialogue.cls) >= len(WORDS)
    encoded = encoder.encode(['how was i'], [DialogueContext()])
    assert encoded is not None and encoded[0].shape == (1, 6, 16)


def test_gpt_that_knows_the_dialogues_tokens_already_is_loaded(tmp_path: Path) -> None:
    """E.g. one that this project fine-tuned and saved."""
    made: TextEncoder = seeded(TextEncoder, TINY.text, 7, seed=1)
    made.gpt.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=byte_tokenizer()).save_pretrained(tmp_path)
    encoder: TextEncoder = seeded(TextEncoder, TINY.text, 7)
    assert load_gpt(encoder, str(tmp_path)).get_vocab_size() == 261
    assert torch.equal(encoder.gpt.tokens_embed.weight, made.gpt.tokens_embed.weight)


def test_gpt_of_other_sizes_is_refused_with_the_sizes(tmp_path: Path) -> None:
    published_gpt(tmp_path, words_tokenizer())
    encoder: TextEncoder = seeded(TextEncoder, GPT.model_copy(update={'n_embd': 32}), 7)
    before = encoder.gpt.positions_embed.weight.clone()
    message = one_sentence(load_gpt, encoder, str(tmp_path))
    assert str(tmp_path) in message and 'sizes' in message
    assert '16)' in message and '32)' in message
    assert torch.equal(encoder.gpt.positions_embed.weight, before)


def test_gpt_without_room_for_the_dialogues_tokens_is_refused(tmp_path: Path) -> None:
    published_gpt(tmp_path, words_tokenizer())
    small = GPT.model_copy(update={'vocab_size': len(WORDS)})
    message = one_sentence(load_gpt, seeded(TextEncoder, small, 7), str(tmp_path))
    assert 'set its vocab_size to 11' in message


def test_gpt_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    """Transformers would make up an empty tokenizer, to which every word is unknown."""
    big = TextEncoderConfig(vocab_size=100, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    seeded(TextEncoder, big, 7).gpt.save_pretrained(tmp_path)
    message = one_sentence(load_gpt, seeded(TextEncoder, big, 7), str(tmp_path))
    assert 'tokenizer' in message and '100' in message and 'give a folder with both' in message


def test_other_kind_of_model_is_refused(tmp_path: Path) -> None:
    """Transformers would load what fits and leave the rest random."""
    GPT2Model(GPT2Config(vocab_size=len(WORDS), n_embd=16, n_head=2, n_layer=2, n_positions=32,
                         bos_token_id=0, eos_token_id=0)).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=words_tokenizer()).save_pretrained(tmp_path)
    message = one_sentence(load_gpt, seeded(TextEncoder, GPT, 7), str(tmp_path))
    assert 'positions_embed.weight' in message and 'openai-gpt' in message


def test_empty_folder_is_no_gpt(tmp_path: Path) -> None:
    message = one_sentence(load_gpt, seeded(TextEncoder, GPT, 7), str(tmp_path))
    assert str(tmp_path) in message and 'give the folder of a copy' in message


# ---------------------------------------------------------------- sentence encoders


@torch.inference_mode()
def test_sentence_encoder_of_a_folder_is_loaded_with_its_tokenizer(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1,
                        num_attention_heads=2, intermediate_size=32)
    published = BertModel(config).eval()
    published.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=words_tokenizer()).save_pretrained(tmp_path)
    transformer, tokenizer = load_sentence_encoder(str(tmp_path))
    ids = torch.tensor([tokenizer('how was i')['input_ids']])
    assert ids.tolist() == [[1, 2, 3]]
    torch.testing.assert_close(transformer.eval()(input_ids=ids)[0], published(input_ids=ids)[0])


def test_sentence_encoder_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    BertModel(BertConfig(vocab_size=500, hidden_size=16, num_hidden_layers=1, intermediate_size=32,
                         num_attention_heads=2)).save_pretrained(tmp_path)
    message = one_sentence(lambda _, source: load_sentence_encoder(source), None, str(tmp_path))
    assert 'tokenizer' in message and str(tmp_path) in message and 'give' in message


# ---------------------------------------------------------------- WaveRNN


def test_ljspeech_wavernn_is_loaded_but_for_the_last_upsampling_filter(tmp_path: Path) -> None:
    """11 x 2 + 1 taps there, 8 x 2 + 1 at 16 kHz and hop 200."""
    published = published_wavernn().state_dict()
    torch.save(published, tmp_path / 'wavernn.pt')
    encoder: AudioEncoder = seeded(AudioEncoder, AudioEncoderConfig(), 7)
    last = 'upsample.upsample_layers.5.weight'
    fresh = encoder.wavernn.state_dict()[last].clone()
    assert published[last].shape[-1] == 23 and fresh.shape[-1] == 17
    assert load_wavernn(encoder, str(tmp_path / 'wavernn.pt')) == [last]
    loaded = encoder.wavernn.state_dict()
    assert torch.equal(loaded.pop(last), fresh)
    assert {'rnn1', 'rnn2', 'fc', 'upsample'} == {name.split('.')[0] for name in loaded}
    for name, weight in loaded.items():
        assert torch.equal(weight, published[name]), name


def test_wavernn_of_other_sizes_is_refused_with_the_sizes(tmp_path: Path) -> None:
    torch.save(published_wavernn().state_dict(), tmp_path / 'wavernn.pt')
    message = one_sentence(load_wavernn, seeded(AudioEncoder, TINY_AUDIO, 7),
                           str(tmp_path / 'wavernn.pt'))
    assert 'wavernn.pt' in message and 'expected (' in message and 'set the sizes' in message


def test_wavernn_file_without_a_wavernn_is_refused(tmp_path: Path) -> None:
    torch.save({'weight': torch.zeros(3)}, tmp_path / 'other.pt')
    message = one_sentence(load_wavernn, seeded(AudioEncoder, TINY_AUDIO, 7),
                           str(tmp_path / 'other.pt'))
    assert 'is nothing, expected' in message


# ---------------------------------------------------------------- FaceNet


def test_facenet_of_a_file_is_loaded_with_its_statistics(tmp_path: Path) -> None:
    """A classifier (`logits`), which published files have, is left out."""
    published = seeded(InceptionResnetV1, None, True, 10, seed=1)
    for name, buffer in published.named_buffers():
        if name.endswith('running_mean'):
            buffer.fill_(0.01)
    assert any(name.startswith('logits.') for name in published.state_dict())
    torch.save(published.state_dict(), tmp_path / 'facenet.pt')
    encoder: FaceEncoder = seeded(FaceEncoder, FACENET, 7)
    load_facenet(encoder, str(tmp_path / 'facenet.pt'))
    expected = published.state_dict()
    for name, weight in encoder.facenet.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    published.classify = False
    crops = torch.from_numpy(random_faces(1))
    with torch.inference_mode():
        reference = published((crops.permute(0, 3, 1, 2).float() - 127.5) / 128)
        torch.testing.assert_close(encoder.embed(crops), reference)


def test_facenet_does_not_fit_the_compact_network(tmp_path: Path) -> None:
    torch.save(seeded(InceptionResnetV1, None).state_dict(), tmp_path / 'facenet.pt')
    message = one_sentence(load_facenet, seeded(FaceEncoder, TINY.face, 7),
                           str(tmp_path / 'facenet.pt'))
    assert 'facenet.pt' in message and 'set the sizes' in message


# ---------------------------------------------------------------- what is not there


@pytest.mark.usefixtures('offline')
@pytest.mark.parametrize(('load', 'encoder', 'source'), [
    (load_gpt, lambda: seeded(TextEncoder, GPT, 7), 'openai-gpt'),
    (load_wavernn, lambda: seeded(AudioEncoder, TINY_AUDIO, 7), 'ljspeech'),
    (load_facenet, lambda: seeded(FaceEncoder, TINY.face, 7), 'vggface2'),
    (load_facenet, lambda: seeded(FaceEncoder, TINY.face, 7), 'casia-webface'),
], ids=['gpt', 'wavernn', 'vggface2', 'casia-webface'])
def test_without_network_and_cache_one_sentence_says_so(
        load: Callable[..., Any], encoder: Callable[[], Any], source: str) -> None:
    message = one_sentence(load, encoder(), source)
    assert source in message
    assert 'not reachable and not cached' in message
    assert 'give the' in message and 'connect once' in message


@pytest.mark.usefixtures('offline')
@pytest.mark.parametrize(('load', 'encoder'), [
    (load_wavernn, lambda: seeded(AudioEncoder, TINY_AUDIO, 7)),
    (load_facenet, lambda: seeded(FaceEncoder, TINY.face, 7)),
], ids=['wavernn', 'facenet'])
def test_file_that_is_not_there_or_no_state_dict_is_named(
        load: Callable[..., Any], encoder: Callable[[], Any], tmp_path: Path) -> None:
    assert 'no such file' in one_sentence(load, encoder(), str(tmp_path / 'gone.pt'))
    (tmp_path / 'text.pt').write_text('not a state dict')
    message = one_sentence(load, encoder(), str(tmp_path / 'text.pt'))
    assert 'text.pt' in message and 'cannot be read' in message and 'torch.save' in message


def test_file_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    """State dicts are read with weights_only."""
    class Trap:

        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / 'sprung',)

    torch.save({'rnn1.weight': Trap()}, tmp_path / 'trap.pt')
    message = one_sentence(load_wavernn, seeded(AudioEncoder, TINY_AUDIO, 7),
                           str(tmp_path / 'trap.pt'))
    assert 'trap.pt' in message
    assert not (tmp_path / 'sprung').exists()
