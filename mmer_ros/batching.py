"""Whole utterances as padded, masked batches of features."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.face_encoder import sample_evenly
from mmer_ros.model import EmotionModel
from mmer_ros.text_encoder import DialogueTokenizer, TextInput
from mmer_ros.types import InvalidInput, Modality, Utterance
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

Encoded = tuple[Tensor, Tensor]  # features (B, T, width), mask (B, T)


def as_float(audio: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return 16 kHz mono audio, int16 or float, as float32 in [-1, 1]."""
    if audio.dtype == np.int16:
        return audio.astype(np.float32) / 32_768.0
    if audio.dtype.kind != 'f' or not np.isfinite(audio).all():
        raise InvalidInput(f'utterance audio of type {audio.dtype} or with NaN; '
                           'expected int16, or finite float in [-1, 1]')
    return audio.astype(np.float32)


def batch_features(model: EmotionModel, tokenizer: DialogueTokenizer,
                   utterances: Sequence[Utterance], device: torch.device
                   ) -> dict[Modality, Encoded]:
    """
    Run the encoders over a batch.

    :return: for each modality that any of the utterances has, features and mask; the row of an
        utterance without it has an empty mask.
    """
    encoded = {
        Modality.TEXT: _text(model, tokenizer, utterances, device),
        Modality.AUDIO: _audio(model, utterances, device),
        Modality.FACE: _faces(model, utterances, device)}
    return {modality: features for modality, features in encoded.items() if features is not None}


def _text(model: EmotionModel, tokenizer: DialogueTokenizer, utterances: Sequence[Utterance],
          device: torch.device) -> Encoded | None:
    contexts = [model.text.context(tokenizer, u.text, speaker=u.speaker, history=u.history,
                                   reply=u.reply) if u.text else TextInput([], [])
                for u in utterances]
    ids = _padded([torch.tensor(c.token_ids, dtype=torch.long) for c in contexts], tokenizer.pad)
    types = _padded(
        [torch.tensor(c.token_types, dtype=torch.long) for c in contexts], tokenizer.pad)
    return _rows(model.text, [ids, types], [len(c.token_ids) for c in contexts], device)


def _audio(model: EmotionModel, utterances: Sequence[Utterance],
           device: torch.device) -> Encoded | None:
    audio = [torch.from_numpy(as_float(u.audio)) if u.audio is not None else torch.zeros(0)
             for u in utterances]
    return _rows(model.audio, [_padded(audio, 0)], [len(a) for a in audio], device)


def _faces(model: EmotionModel, utterances: Sequence[Utterance],
           device: torch.device) -> Encoded | None:
    limit = model.config.face.max_images
    chosen = [sample_evenly(list(u.faces), limit) if u.faces is not None else []
              for u in utterances]
    lengths = [len(row) for row in chosen]
    if not any(lengths):
        return None
    crops = torch.from_numpy(np.stack([crop for row in chosen for crop in row])).to(device)
    embeddings = list(torch.split(model.face.embed(crops), lengths))
    return _rows(model.face, [_padded(embeddings, 0)], lengths, device)


def _padded(rows: list[Tensor], value: float) -> Tensor:
    padded: Tensor = torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=value)
    return padded


def _rows(encoder: torch.nn.Module, inputs: list[Tensor], lengths: list[int],
          device: torch.device) -> Encoded | None:
    """Run an encoder over padded rows, those of length 0 among them."""
    if not any(lengths):
        return None
    sizes = torch.tensor(lengths, device=device)
    features, mask = encoder(*(x.to(device) for x in inputs), sizes.clamp(min=1))
    return features, mask & (sizes > 0)[:, None]
