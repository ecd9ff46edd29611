"""A trained encoder as a folder: its settings, weights and, for text, tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.text_encoder import TextEncoder, TextEncoderConfig
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
from pydantic import BaseModel, ValidationError
import safetensors.torch
from tokenizers import Tokenizer
from torch import nn
from training.engine.run_folder import replace_folder

KINDS: dict[str, tuple[type[BaseModel], type[nn.Module]]] = {
    'text': (TextEncoderConfig, TextEncoder),
    'audio': (AudioEncoderConfig, AudioEncoder),
    'face': (FaceEncoderConfig, FaceEncoder),
}


@dataclass(frozen=True)
class TrainedEncoder:
    """
    An encoder with its own classifier.

    :param modality: text, audio or face.
    :param facts: what the model card tells: data, scores, seeds.
    :param tokenizer: of text.
    """

    modality: Modality
    config: Any
    encoder: nn.Module
    facts: Mapping[str, Any]
    tokenizer: Tokenizer | None = None

    def save(self, folder: Path) -> None:
        """Write the folder; it appears complete or not at all."""
        partial = folder.with_name(f'.{folder.name}.partial')
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / 'encoder.json').write_text(json.dumps({
            'modality': str(self.modality.name).lower(),
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
        Read what `save` wrote, or the folder of a run that holds it.

        :raises InvalidInput: if it is not there, or of another modality.
        """
        if (folder / 'encoder' / 'encoder.json').is_file():
            folder = folder / 'encoder'
        try:
            facts = json.loads((folder / 'encoder.json').read_text())
            found = Modality[facts['modality'].upper()]
            config_kind, encoder_kind = KINDS[facts['modality']]
            config = config_kind.model_validate(facts['config'])
            encoder = encoder_kind(config, len(EMOTIONS))
            encoder.load_state_dict(safetensors.torch.load_file(folder / 'encoder.safetensors'))
        except (OSError, KeyError, ValueError, ValidationError, RuntimeError,
                safetensors.SafetensorError) as error:
            raise InvalidInput(f'encoder {folder}: it cannot be read ({error}); give the folder '
                               'of a finished run of `train text|audio|face`') from error
        if modality is not None and found is not modality:
            raise InvalidInput(f'encoder {folder}: it is one of {found.name}, expected '
                               f'{modality.name}')
        tokenizer = folder / 'tokenizer.json'
        return cls(found, config, encoder.eval(), facts['facts'],
                   Tokenizer.from_file(str(tokenizer)) if tokenizer.is_file() else None)
