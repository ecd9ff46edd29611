# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A trained encoder as a folder: its settings, weights and, for text, tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.networks.backbones import parse_config
from mmer_ros.networks.configs import ModelConfig
from mmer_ros.networks.encoder import make_encoder
from mmer_ros.networks.several_configs import SEVERAL
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import InvalidInput, MODALITIES, Modality
from pydantic import ValidationError
import safetensors.torch
from tokenizers import Tokenizer
from torch import nn
from training.engine.files import fingerprint
from training.engine.processes import main_alone
from training.engine.run_folder import recipe_of, replace_folder


@dataclass(frozen=True)
class TrainedEncoder:
    """
    An encoder with its own classifier.

    :param facts: scores and steps of its training.
    :param tokenizer: of a text encoder.
    :param recipe: settings and data of its run; {} if unknown.
    """

    modality: Modality
    config: Any
    encoder: Any  # an Encoder
    facts: Mapping[str, Any]
    tokenizer: Tokenizer | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Fingerprint of everything that its features depend on."""
        return fingerprint(self.config.model_dump_json(), weights_fingerprint(self.encoder),
                           self.tokenizer.to_str() if self.tokenizer else '')

    def save(self, folder: Path) -> None:
        """Write the folder atomically."""
        with main_alone() as main:
            if main:
                self._write(folder)

    def _write(self, folder: Path) -> None:
        partial = folder.with_name(f'.{folder.name}.partial')
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / 'encoder.json').write_text(json.dumps({
            'modality': self.modality.key,
            'config': self.config.model_dump(mode='json'), 'facts': dict(self.facts)}, indent=2))
        safetensors.torch.save_file(
            {k: v.detach().cpu().contiguous() for k, v in self.encoder.state_dict().items()},
            partial / 'encoder.safetensors')
        if self.tokenizer is not None:
            self.tokenizer.save(str(partial / 'tokenizer.json'))
        replace_folder(partial, folder)

    @classmethod
    def load(cls, folder: Path, modality: Modality | None = None) -> TrainedEncoder:
        """
        Read a folder written by `save`, or that of a run that holds it.

        :raises InvalidInput: if it is missing, damaged or of another modality.
        """
        if (folder / 'encoder' / 'encoder.json').is_file():
            folder = folder / 'encoder'
        try:
            facts = json.loads((folder / 'encoder.json').read_text())
            found = Modality[facts['modality'].upper()]
            default: str = getattr(ModelConfig(), found.key).backbone
            config = parse_config(found, facts['config'], default)
            encoder = make_encoder(found, config)
            encoder.load_state_dict(safetensors.torch.load_file(folder / 'encoder.safetensors'))
        except (OSError, KeyError, ValueError, ValidationError, RuntimeError,
                safetensors.SafetensorError) as error:
            raise InvalidInput(f'encoder {folder}: it cannot be read ({error}); give the folder '
                               'of a finished run of `train text|audio|face`') from error
        if modality is not None and found is not modality:
            raise InvalidInput(f'encoder {folder}: it encodes {found.key}; expected one of '
                               f'{modality.key}')
        tokenizer = folder / 'tokenizer.json'
        return cls(found, config, encoder.eval(), facts['facts'],
                   Tokenizer.from_file(str(tokenizer)) if tokenizer.is_file() else None,
                   recipe_of(folder.parent))


def several(trained: Sequence[TrainedEncoder]) -> TrainedEncoder:
    """
    Return encoders of one modality as one, whose features are theirs side by side.

    :raises InvalidInput: if their tokenizers differ, for a bundle has one.
    """
    first = trained[0]
    if len(trained) == 1:
        return first
    if len({each.tokenizer.to_str() for each in trained if each.tokenizer is not None}) > 1:
        raise InvalidInput('several text encoders: their tokenizers differ, and a bundle has one; '
                           'give runs that begin from the same published model')
    config = parse_config(first.modality, {
        'backbone': SEVERAL, 'encoders': [each.config for each in trained]}, SEVERAL)
    encoder: Any = make_encoder(first.modality, config)
    for own, head, each in zip(encoder.parts, encoder.classifier.classifiers, trained,
                               strict=True):
        head.load_state_dict(each.encoder.classifier.state_dict())
        own.load_state_dict({name: x for name, x in each.encoder.state_dict().items()
                             if not name.startswith('classifier.')})
    return TrainedEncoder(
        first.modality, config, encoder.eval(), {'encoders': [dict(e.facts) for e in trained]},
        first.tokenizer, {'encoders': [dict(each.recipe) for each in trained]})


def weights_fingerprint(network: nn.Module) -> str:
    """Return a fingerprint of the weights of a network."""
    return fingerprint(*(part for name, weights in sorted(network.state_dict().items())
                         for part in (name, weights.cpu().contiguous().numpy().tobytes())))


def is_encoder(folder: Path) -> bool:
    """Return whether a folder, or the run in it, holds an encoder."""
    return any((f / 'encoder.json').is_file() for f in (folder, folder / 'encoder'))


def run_of_seed(run: Path, seed: int | None) -> Path:
    """Return the run of a seed where `train --seeds` made several, otherwise the run itself."""
    own = run / f'seed{seed}'
    return own if seed is not None and is_encoder(own) else run


def encoders_of(bundle: Bundle) -> dict[Modality, TrainedEncoder]:
    """Return the encoders of a bundle."""
    return {m: TrainedEncoder(m, getattr(bundle.config.model, m.key), getattr(bundle.model, m.key),
                              {}, bundle.tokenizer if m is Modality.TEXT else None)
            for m in MODALITIES}
