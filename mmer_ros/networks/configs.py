# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of the encoders and of the whole model; without torch."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any, Literal

from mmer_ros.networks.backbones import Backbone, BACKBONES, EncoderConfig, parse_config
from mmer_ros.networks.fusion_config import AnyFusionConfig, FusionConfig
from mmer_ros.networks.hub_configs import HUB, HubAudioConfig, HubFaceConfig, HubTextConfig
from mmer_ros.networks.several_configs import (
    SEVERAL,
    SeveralAudioConfig,
    SeveralFaceConfig,
    SeveralTextConfig,
)
from mmer_ros.registry import imported_later
from mmer_ros.types import ALL_MODALITIES, Modality, SAMPLE_RATE
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
    SerializeAsAny,
    ValidationInfo,
)
from typing_extensions import Self

WINDOW_STEPS = 4096  # recurrent steps of WaveRNN whose inner values are in memory at once
MEL_HOP = 160  # samples between frames of Whisper's spectrogram
STATE_HOP = 2 * MEL_HOP  # samples between its states: its second convolution skips every other
LONGEST_S = 30.0  # that Whisper knows positions for


class TextEncoderConfig(EncoderConfig):
    """
    Sizes of the GPT; the defaults are those of `openai-gpt`, the paper's.

    :param vocab_size: tokens of the tokenizer, special ones included.
    :param history_turns: number of earlier turns in the input.
    """

    backbone: Literal['gpt'] = 'gpt'
    vocab_size: int = 40_483
    n_positions: int = 512
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = Field(12, ge=1)
    history_turns: int = 5
    dropout: float = 0.1


class AudioEncoderConfig(EncoderConfig):
    """
    Sizes of the WaveRNN and of its spectrogram.

    The defaults are the paper's: hop 200, kernel 5, width 512, one recurrent step a sample. With
    `samples_per_step` > 1 a step takes that many samples, which divides the cost.

    :param kernel_size: spectrogram frames that the residual network sees at once; odd, >= 3.
    :param n_output: width of that network's output. Its first quarter goes into the first
        recurrent layer, its second into the second; the rest is WaveRNN's for the layers behind
        the features, which are left out here.
    :param waveform: as it enters the recurrent layers: 'linear', or 'mu_law', companded as in the
        published vocoder (8 bit, here without the rounding), whose weights expect that.
    :param mel_mean: subtracted from the spectrogram, which lies in [0, 1] before.
    :param mel_std: by which it is divided then.
    """

    backbone: Literal['wavernn'] = 'wavernn'
    hop_length: int = 200
    n_fft: int = 1024
    win_length: int = 800
    n_freq: int = 80
    f_min: float = 40.0
    f_max: float = 8000.0
    kernel_size: int = 5
    n_rnn: int = 512
    n_res_block: int = 10
    n_hidden: int = 128
    n_output: int = 128
    samples_per_step: int = 1
    upsample_scales: tuple[int, ...] = (5, 5, 8)
    classifier_hidden: int = 256
    waveform: Literal['linear', 'mu_law'] = 'linear'
    mel_mean: float = 0.0
    mel_std: float = Field(1.0, gt=0)

    @model_validator(mode='before')
    @classmethod
    def _without_old_settings(cls, values: Any) -> Any:
        if isinstance(values, Mapping):  # older bundles name it; it never had an effect
            return {key: value for key, value in values.items() if key != 'n_time'}
        return values

    @model_validator(mode='after')
    def _check(self) -> Self:
        if math.prod(self.upsample_scales) * self.samples_per_step != self.hop_length:
            raise ValueError(
                f'upsample_scales {self.upsample_scales} times samples_per_step '
                f'{self.samples_per_step} must give hop_length {self.hop_length}')
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise ValueError(f'kernel_size {self.kernel_size} must be odd and at least 3, for a '
                             'hop has as many frames before it as behind')
        return self

    @property
    def pad_frames(self) -> int:
        """Spectrogram frames that the network needs on each side."""
        return (self.kernel_size - 1) // 2

    @property
    def pad_samples(self) -> int:
        """Samples that the network looks behind and ahead."""
        return self.pad_frames * self.hop_length + self.n_fft // 2

    @property
    def window_hops(self) -> int:
        """Hops that run at once; longer speech goes on with the carried state."""
        return max(1, WINDOW_STEPS * self.samples_per_step // self.hop_length)


class WhisperEncoderConfig(EncoderConfig):
    """
    Sizes of the Whisper and of the features; the defaults are whisper-base's.

    :param d_model: width of its states.
    :param n_layer: layers that are kept, from the first on.
    :param n_head: of its attention.
    :param n_inner: width of its feed-forward layers.
    :param n_mels: bands of its spectrogram.
    :param states: layers whose outputs are pooled; 0 is the input of the first.
    :param window_s: seconds that the network sees at once. Longer speech is cut into windows,
        each encoded once it is complete, so that a long utterance costs no more at its end.
    :param width: of the features.
    """

    backbone: Literal['whisper'] = 'whisper'
    d_model: int = Field(512, ge=2, multiple_of=2)
    n_layer: int = Field(4, ge=1)
    n_head: int = Field(8, ge=1)
    n_inner: int = Field(2048, ge=1)
    n_mels: int = Field(80, ge=1)
    states: tuple[int, ...] = Field((2, 3, 4), min_length=1)
    window_s: float = Field(2.0, ge=0.5, le=LONGEST_S / 2)
    width: int = Field(128, ge=1)

    @model_validator(mode='after')
    def _check(self) -> Self:
        if min(self.states) < 0 or max(self.states) > self.n_layer:
            raise ValueError(f'states {self.states} must be of layers 0 to {self.n_layer}')
        return self

    @property
    def window(self) -> int:
        """Samples of a window, a multiple of STATE_HOP."""
        return round(self.window_s * SAMPLE_RATE / STATE_HOP) * STATE_HOP


class FaceEncoderConfig(EncoderConfig):
    """
    Sizes of the face encoder.

    :param backbone: the paper's InceptionResnetV1, or a small CNN with the same interface.
    :param width: channels of the small CNN's first stage; see CompactFaceNet.
    :param mirrored: the small CNN embeds each image and its mirror image.
    :param max_images: longer sequences are sampled evenly down to this (50 in the paper).
    :param hidden: width of the GRU.
    """

    backbone: Literal['inception_resnet_v1', 'compact'] = 'inception_resnet_v1'
    width: int = 32
    mirrored: bool = False
    max_images: int = Field(50, ge=2)
    hidden: int = 256

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.mirrored and self.backbone != 'compact':
            raise ValueError(f'mirrored: {self.backbone} does not support it; set '
                             'mirrored=false or backbone=compact')
        return self


class ModelConfig(BaseModel):
    """
    Settings of all parts; the defaults are the paper's.

    The class of each part's settings follows from its `backbone`, that of the fusion from its
    `family`.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    text: SerializeAsAny[EncoderConfig] = TextEncoderConfig()
    audio: SerializeAsAny[EncoderConfig] = AudioEncoderConfig()
    face: SerializeAsAny[EncoderConfig] = FaceEncoderConfig()
    fusion: AnyFusionConfig = FusionConfig()

    @field_validator(*ALL_MODALITIES.names, mode='before')
    @classmethod
    def _encoder(cls, values: Any, info: ValidationInfo) -> EncoderConfig:
        name = str(info.field_name)
        default: str = cls.model_fields[name].default.backbone
        return parse_config(Modality[name.upper()], values, default)

    def encoder(self, modality: Modality) -> EncoderConfig:
        """Return the settings of a modality's encoder."""
        config: EncoderConfig = getattr(self, modality.key)
        return config


# Networks are imported when one is made: the exported ones do without torch.
for _modality, _names, _config, _module, _class in (
        (Modality.TEXT, ('gpt',), TextEncoderConfig, 'text', 'TextEncoder'),
        (Modality.AUDIO, ('wavernn',), AudioEncoderConfig, 'audio', 'AudioEncoder'),
        (Modality.AUDIO, ('whisper',), WhisperEncoderConfig, 'whisper', 'WhisperEncoder'),
        (Modality.FACE, ('inception_resnet_v1', 'compact'), FaceEncoderConfig, 'face',
         'FaceEncoder'),
        (Modality.TEXT, (HUB,), HubTextConfig, 'hub_text', 'HubTextEncoder'),
        (Modality.AUDIO, (HUB,), HubAudioConfig, 'hub_audio', 'HubAudioEncoder'),
        (Modality.FACE, (HUB,), HubFaceConfig, 'hub_face', 'HubFaceEncoder')):
    _backbone = Backbone(
        _config, imported_later(f'mmer_ros.networks.{_module}_encoder', _class),
        imported_later('mmer_ros.networks.onnx_networks', f'Onnx{_class}'))
    for _name in _names:
        BACKBONES[_modality].add(_name, _backbone)
# Only in torch.
for _several in (SeveralTextConfig, SeveralAudioConfig, SeveralFaceConfig):
    BACKBONES[_several.modality].add(SEVERAL, Backbone(
        _several, imported_later('mmer_ros.networks.several_encoder', 'SeveralEncoder')))
