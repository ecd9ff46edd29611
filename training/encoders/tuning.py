# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Networks from the Hugging Face hub in training: all weights, LoRA, or frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mmer_ros.networks.backbones import EncoderConfig, parse_config
from mmer_ros.networks.configs import ModelConfig
from mmer_ros.networks.encoder import make_encoder
from mmer_ros.networks.hub_configs import HubConfig
from mmer_ros.networks.hub_weights import hub_config, make_hub_encoder
from mmer_ros.types import InvalidInput, Modality
from pydantic import Field
from torch import nn
from training.encoders.trained_encoder import is_encoder, TrainedEncoder
from training.engine.config import Settings
from training.engine.files import write_file
from training.engine.processes import main_first

MODEL = 'model.json'  # in the run folder: the settings with those of the published network


class TuningConfig(Settings):
    """
    How the weights of a network from the hub are trained; its classifier always is.

    :param method: 'full': all weights; 'lora': low-rank additions to its linear layers (Hu et al.
        2022), which are merged into the weights at the end; 'frozen': none.
    :param rank: of the additions.
    :param alpha: their scale is alpha / rank.
    :param dropout: of their input.
    :param gradient_checkpointing: compute inner values again for the backward pass: a third more
        time for a fraction of the memory.
    """

    method: Literal['full', 'lora', 'frozen'] = 'full'
    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    gradient_checkpointing: bool = False


def check_tuning(model: EncoderConfig, init: str, tuning: TuningConfig) -> None:
    """
    Check that settings of the hub are given where they belong.

    :raises ValueError: with what to do.
    """
    if isinstance(model, HubConfig):
        if not init and not model.architecture:
            raise ValueError(f'model.backbone {model.backbone}: set init to a name on the Hugging '
                             'Face hub or a folder, e.g. init=FacebookAI/roberta-base')
    elif tuning != TuningConfig():
        raise ValueError(f'tuning: only for model.backbone=huggingface, not {model.backbone}; '
                         'leave it out')


def parse_model(modality: Modality, values: Any) -> EncoderConfig:
    """Return the settings of a recipe's encoder, of the class that belongs to its backbone."""
    default: str = getattr(ModelConfig(), modality.key).backbone
    return parse_config(modality, values, default)


def start_hub_encoder(model: HubConfig, init: str, modality: Modality, folder: Path, *,
                      finished: bool) -> Any:
    """
    Return the encoder of a run, with published weights unless the run is finished.

    :param init: name on the hub, folder of `save_pretrained`, or run that this one goes on from;
        '': random weights of `model.architecture`.
    :param folder: of the run; it keeps the published settings.
    :raises PretrainedUnavailable: if there are no such weights.
    """
    kept = folder / MODEL
    known = TrainedEncoder.load(Path(init), modality) if init and is_encoder(Path(init)) else None
    with main_first():
        if not kept.is_file():
            found = (with_architecture(model, known) if known is not None
                     else hub_config(model, init, modality) if init else model)
            write_file(kept, found.model_dump_json(indent=2).encode())
    config = type(model).model_validate_json(kept.read_text(encoding='utf-8'))
    if known is not None and not finished:
        encoder: Any = make_encoder(modality, config)
        encoder.load_state_dict(known.encoder.state_dict())
        return encoder
    if init and not finished:
        return make_hub_encoder(config, init, modality)
    return make_encoder(modality, config)


def with_architecture(model: HubConfig, known: TrainedEncoder) -> HubConfig:
    """
    Return the settings of a run with the network of the run that it goes on from.

    :raises InvalidInput: if that run did not train a network from the hub.
    """
    if type(known.config) is not type(model):
        raise InvalidInput(f'init: the run has backbone {known.config.backbone}; expected '
                           f'{model.backbone}; give a run of the same backbone')
    own = {'architecture', 'summary', 'width', 'layers', 'normalize', 'image_size', 'mean', 'std',
           'hidden'} & known.config.model_fields_set
    return model.model_copy(update={name: getattr(known.config, name) for name in own})


def network_name(modality: Modality) -> str:
    """Return the attribute of an encoder that holds the published network."""
    return 'facenet' if modality is Modality.FACE else 'network'


def prepare(encoder: Any, modality: Modality, tuning: TuningConfig) -> None:
    """Let the network of an encoder learn as the settings say."""
    name = network_name(modality)
    network: Any = getattr(encoder, name)
    if tuning.gradient_checkpointing:
        new = 'activation_checkpointing_enable'  # its name in transformers 6
        enable = getattr(network, new if hasattr(network, new) else
                         'gradient_checkpointing_enable')
        enable({'use_reentrant': False})
    if tuning.method == 'frozen':
        network.requires_grad_(False)
    if tuning.method == 'lora':
        from peft import get_peft_model, LoraConfig
        setattr(encoder, name, get_peft_model(network, LoraConfig(
            r=tuning.rank, lora_alpha=int(tuning.alpha), lora_dropout=tuning.dropout,
            target_modules='all-linear')))


def merge(encoder: Any, modality: Modality, tuning: TuningConfig) -> None:
    """Add what LoRA has learnt to the weights, so that the encoder is as it was built."""
    if tuning.method == 'lora':
        name = network_name(modality)
        setattr(encoder, name, getattr(encoder, name).merge_and_unload())
    getattr(encoder, network_name(modality)).requires_grad_(True)


class KeepsFrozen(nn.Module):
    """
    A module of training whose encoder's published network may be frozen, dropout and all.

    :ivar frozen: whether `encoder.network` is.
    """

    encoder: Any
    frozen = False

    def train(self, mode: bool = True) -> KeepsFrozen:
        super().train(mode)
        if self.frozen:
            self.encoder.network.eval()
        return self
