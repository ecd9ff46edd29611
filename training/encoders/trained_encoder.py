"""A trained encoder as a folder: its settings, weights and, for text, tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
import hashlib
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.networks.text_encoder import TextEncoder, TextEncoderConfig
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
from pydantic import BaseModel, ValidationError
import safetensors.torch
from tokenizers import Tokenizer
from torch import nn
from training.engine.processes import main_alone
from training.engine.run_folder import recipe_of, replace_folder

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
    :param recipe: settings and data of the run that it comes from; {} if they are not known.
    """

    modality: Modality
    config: Any
    encoder: Any  # TextEncoder, AudioEncoder or FaceEncoder
    facts: Mapping[str, Any]
    tokenizer: Tokenizer | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Digest of all that its features depend on."""
        digest = hashlib.sha256(self.config.model_dump_json().encode())
        for name, weights in sorted(self.encoder.state_dict().items()):
            digest.update(name.encode())
            digest.update(weights.detach().cpu().contiguous().numpy().tobytes())
        digest.update(self.tokenizer.to_str().encode() if self.tokenizer else b'')
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the folder; it appears complete or not at all."""
        with main_alone() as main:
            if main:
                self._write(folder)

    def _write(self, folder: Path) -> None:
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
                   Tokenizer.from_file(str(tokenizer)) if tokenizer.is_file() else None,
                   recipe_of(folder.parent))


def is_encoder(folder: Path) -> bool:
    """Tell whether `TrainedEncoder.load` finds something there."""
    return any((f / 'encoder.json').is_file() for f in (folder, folder / 'encoder'))


def of_seed(run: Path, seed: int | None) -> Path:
    """Return the run of a seed where `train --seeds` made several, else the run itself."""
    own = run / f'seed{seed}'
    return own if seed is not None and is_encoder(own) else run


def encoders_of(bundle: Bundle) -> dict[Modality, TrainedEncoder]:
    """Return the encoders in a bundle."""
    config, model = bundle.config.model, bundle.model
    return {Modality.TEXT: TrainedEncoder(Modality.TEXT, config.text, model.text, {},
                                          bundle.tokenizer),
            Modality.AUDIO: TrainedEncoder(Modality.AUDIO, config.audio, model.audio, {}),
            Modality.FACE: TrainedEncoder(Modality.FACE, config.face, model.face, {})}
