# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Published pre-trained weights, from the network, a cache or a local path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mmer_ros.networks.audio_encoder import AudioEncoder
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.networks.text_encoder import SPECIAL_TOKENS, TextEncoder
from mmer_ros.networks.whisper_encoder import WhisperEncoder, WhisperEncoderConfig
from mmer_ros.types import InvalidInput
import torch
from torch import Tensor

T = TypeVar('T')
WHISPER_LAYERS = {'self_attn.out_proj': 'self_attn.out_proj', 'self_attn_layer_norm': 'norm1',
                  'fc1': 'linear1', 'fc2': 'linear2', 'final_layer_norm': 'norm2'}
LOCAL_COPY = 'give the folder of a copy, or connect once so that it is cached'


class PretrainedUnavailable(InvalidInput):
    """Published weights that are not available; the message names them and what to do."""


def load_gpt(encoder: TextEncoder, source: str = 'openai-gpt') -> Any:
    """
    Load a GPT into the encoder and return its tokenizer (tokenizers.Tokenizer).

    The special tokens of the dialogue are added; their embeddings stay as initialised.

    :param source: name on the Hugging Face hub, or a folder made by `save_pretrained`.
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of other sizes.
    """
    from transformers import AutoTokenizer, OpenAIGPTModel
    load: Any = OpenAIGPTModel.from_pretrained
    gpt, report = fetch(
        f'GPT {source!r}', lambda: load(source, output_loading_info=True),
        LOCAL_COPY)
    if report['missing_keys']:
        raise PretrainedUnavailable(f'GPT {source!r}: it lacks {min(report["missing_keys"])}; '
                                    'give a model of the type openai-gpt')
    loaded = fetch(f'the tokenizer of GPT {source!r}',
                   lambda: AutoTokenizer.from_pretrained(source), LOCAL_COPY)
    tokenizer = loaded.backend_tokenizer
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokens, known = tokenizer.get_vocab_size(), len(gpt.tokens_embed.weight)
    if tokens < known:  # transformers makes an empty one where there are no files
        raise PretrainedUnavailable(f'the tokenizer of GPT {source!r}: {tokens} tokens, but the '
                                    f'network knows {known}; give a folder with both')
    if tokens > encoder.config.vocab_size:
        raise PretrainedUnavailable(
            f'GPT {source!r}: {tokens} tokens with those of the dialogue, but the bundle has room '
            f'for {encoder.config.vocab_size}; set its vocab_size to {tokens}')
    _load_fitting(f'GPT {source!r}', encoder.gpt, gpt.state_dict(), grows=('tokens_embed.weight',))
    return tokenizer


def load_sentence_encoder(source: str) -> tuple[Any, Any]:
    """
    Return a transformer that encodes sentences, and its tokenizer, as transformers knows them.

    :param source: name on the Hugging Face hub, or a folder made by `save_pretrained`.
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or has no tokenizer.
    """
    from transformers import AutoModel, AutoTokenizer
    what = f'sentence encoder {source!r}'
    transformer = fetch(what, lambda: AutoModel.from_pretrained(source), LOCAL_COPY)
    tokenizer = fetch(f'the tokenizer of {what}',
                      lambda: AutoTokenizer.from_pretrained(source), LOCAL_COPY)
    if len(tokenizer) < transformer.config.vocab_size // 2:  # an empty one, if there are no files
        raise PretrainedUnavailable(
            f'the tokenizer of {what}: {len(tokenizer)} tokens, but the network knows '
            f'{transformer.config.vocab_size}; give a folder with both')
    return transformer, tokenizer


def load_speech_encoder(source: str) -> tuple[Any, Any]:
    """
    Return the encoder of a Whisper and what makes its spectrograms, as transformers knows them.

    :param source: name on the Hugging Face hub, or a folder made by `save_pretrained`.
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of another type.
    """
    from transformers import WhisperFeatureExtractor, WhisperModel
    what = f'speech encoder {source!r}'
    load: Any = WhisperModel.from_pretrained
    model, report = fetch(what, lambda: load(source, output_loading_info=True), LOCAL_COPY)
    missing = sorted(k for k in report['missing_keys'] if 'encoder.' in k and 'embed_pos' not in k)
    if missing:
        raise PretrainedUnavailable(f'{what}: it lacks {missing[0]}; give a model of the type '
                                    'whisper')
    extractor = fetch(f'preprocessor_config.json of {what}',
                      lambda: WhisperFeatureExtractor.from_pretrained(source), LOCAL_COPY)
    return model.encoder, extractor


def whisper_config(source: str = 'openai/whisper-base') -> WhisperEncoderConfig:
    """
    Return the settings of an encoder that `load_whisper` can fill from this source.

    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of another type.
    """
    from transformers import WhisperConfig
    found: Any = fetch(f'config.json of speech encoder {source!r}',
                       lambda: WhisperConfig.from_pretrained(source), LOCAL_COPY)
    return WhisperEncoderConfig(
        d_model=found.d_model, n_head=found.encoder_attention_heads,
        n_inner=found.encoder_ffn_dim, n_mels=found.num_mel_bins)


def load_whisper(encoder: WhisperEncoder, source: str = 'openai/whisper-base') -> None:
    """
    Load the first layers of a Whisper into the encoder; its linear layers stay as they are.

    :param source: name on the Hugging Face hub, or a folder made by `save_pretrained`.
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of other sizes.
    """
    whisper, _ = load_speech_encoder(source)
    given = whisper.state_dict()
    own = {name: weights for name, weights in given.items() if name.startswith('conv')}
    for i in range(min(len(encoder.layers), len(whisper.layers))):
        layer = f'layers.{i}'
        query, key, value = (f'{layer}.self_attn.{kind}_proj' for kind in 'qkv')
        bias = given[f'{query}.bias']
        own[f'{layer}.self_attn.in_proj_weight'] = torch.cat(
            [given[f'{each}.weight'] for each in (query, key, value)])
        own[f'{layer}.self_attn.in_proj_bias'] = torch.cat(
            [bias, torch.zeros_like(bias), given[f'{value}.bias']])  # keys have none
        for theirs, ours in WHISPER_LAYERS.items():
            for kind in ('weight', 'bias'):
                own[f'{layer}.{ours}.{kind}'] = given[f'{layer}.{theirs}.{kind}']
    for name in ('project', 'classifier'):
        own |= {f'{name}.{k}': v for k, v in getattr(encoder, name).state_dict().items()}
    _load_fitting(f'speech encoder {source!r}', encoder, own)


def load_wavernn(encoder: AudioEncoder, source: str = 'ljspeech') -> list[str]:
    """
    Load WaveRNN weights into the encoder.

    The LJSpeech weights were made for 22.05 kHz and a hop of 275; the last smoothing filter of
    the upsampling has another length at 16 kHz and hop 200 and keeps its initial value.

    :param source: 'ljspeech' for torchaudio's pipeline, or a file with the state dict of a
        torchaudio.models.WaveRNN (.pt, read with weights_only).
    :return: names of the weights that were not loaded.
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of other sizes.
    """
    if source == 'ljspeech':
        vocoder = fetch('WaveRNN ljspeech', _ljspeech_vocoder,
                        "give the path of its weights, or install 'mmer_ros[published]' and "
                        'connect once so that they are cached in the torch hub folder')
        weights = vocoder._model.state_dict()
    else:
        weights = _read(f'WaveRNN {source!r}', source)
    kept = {k: v for k, v in weights.items() if k.split('.')[0] not in ('fc1', 'fc2', 'fc3')}
    return _load_fitting(f'WaveRNN {source!r}', encoder.wavernn, kept,
                         may_differ='upsample.upsample_layers')


def _ljspeech_vocoder() -> Any:
    from torchaudio.pipelines import TACOTRON2_WAVERNN_CHAR_LJSPEECH as pipeline
    return pipeline.get_vocoder()


def load_facenet(encoder: FaceEncoder, source: str = 'vggface2') -> None:
    """
    Load InceptionResnetV1 weights into the encoder.

    :param source: 'vggface2' or 'casia-webface' for facenet-pytorch's, or a file with a state
        dict (.pt, read with weights_only).
    :raises PretrainedUnavailable: if it is neither reachable nor cached, or of other sizes.
    """
    if source in ('vggface2', 'casia-webface'):
        from facenet_pytorch import InceptionResnetV1
        network = fetch(f'FaceNet {source}', lambda: InceptionResnetV1(pretrained=source),
                        'give the path of its weights, or connect once so that they are cached '
                        'in the torch checkpoints folder')
        weights = network.state_dict()
    else:
        weights = _read(f'FaceNet {source!r}', source)
    kept = {k: v for k, v in weights.items() if not k.startswith('logits.')}
    _load_fitting(f'FaceNet {source!r}', encoder.facenet, kept)


def fetch(what: str, load: Callable[[], T], remedy: str,
          problem: str = 'not reachable and not cached') -> T:
    """
    Return published files, or say what is missing.

    :raises PretrainedUnavailable: if they cannot be had.
    """
    try:
        return load()
    except Exception as error:  # each library raises its own kinds when a download fails
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise PretrainedUnavailable(f'{what}: {problem} ({reason[0]}); {remedy}') from error


def _read(what: str, path: str) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise PretrainedUnavailable(f'{what}: there is no such file; give the path of a state '
                                    'dict, or the name of published weights')
    weights: dict[str, Tensor] = fetch(
        what, lambda: torch.load(path, map_location='cpu', weights_only=True),
        'give a file written by torch.save(model.state_dict())', 'it cannot be read')
    return weights


def _load_fitting(what: str, module: torch.nn.Module, weights: dict[str, Tensor], *,
                  grows: tuple[str, ...] = (), may_differ: str = '-') -> list[str]:
    """Load weights; those in `grows` may have more rows here, `may_differ` other shapes."""
    own = module.state_dict()
    left = []
    for name, mine in own.items():
        given = weights.get(name)
        if given is not None and given.shape == mine.shape:
            own[name] = given
        elif given is not None and name in grows and given.shape[1:] == mine.shape[1:] and (
                len(given) < len(mine)):
            own[name] = torch.cat([given, mine[len(given):]])
        elif name.startswith(may_differ):
            left.append(name)
        else:
            have = 'nothing' if given is None else str(tuple(given.shape))
            raise PretrainedUnavailable(
                f'{what}: {name} is {have}, expected {tuple(mine.shape)}; set the sizes of the '
                'bundle to those of the published model')
    module.load_state_dict(own)
    return left
