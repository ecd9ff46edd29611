"""Whole utterances as padded, masked batches of features."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.networks.face_encoder import FaceEncoder, sample_evenly
from mmer_ros.networks.text_encoder import DialogueTokenizer, TextEncoder, TextInput
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
        Modality.TEXT: encode_text(model.text, [
            model.text.context(tokenizer, u.text, speaker=u.speaker, history=u.history,
                               reply=u.reply) if u.text else None for u in utterances],
            tokenizer.pad, device),
        Modality.AUDIO: _audio(model, utterances, device),
        Modality.FACE: _faces(model, utterances, device)}
    return {modality: features for modality, features in encoded.items() if features is not None}


def encode_text(encoder: TextEncoder, contexts: Sequence[TextInput | None], pad: int,
                device: torch.device) -> Encoded | None:
    """
    Run the text encoder over contexts, of which some may be missing.

    :param pad: id of the padding token.
    :return: None if all are missing.
    """
    given = [context or TextInput([], []) for context in contexts]
    ids = padded([torch.tensor(c.token_ids, dtype=torch.long) for c in given], pad)
    types = padded([torch.tensor(c.token_types, dtype=torch.long) for c in given], pad)
    return _rows(encoder, [ids, types], [len(c.token_ids) for c in given], device)


def encode_faces(encoder: FaceEncoder, embeddings: Sequence[Sequence[Tensor]],
                 device: torch.device) -> Encoded | None:
    """
    Run the GRU of the face encoder over embeddings, each (512,), of which some may have none.

    Of more than `max_images` so many are taken, evenly.

    :return: None if all have none.
    """
    some = next((row[0] for row in embeddings if len(row)), None)
    if some is None:
        return None
    rows = [torch.stack(sample_evenly(row, encoder.config.max_images)) if len(row)
            else some.new_zeros(0, len(some)) for row in embeddings]
    return _rows(encoder, [padded(rows, 0)], [len(row) for row in rows], device)


def _audio(model: EmotionModel, utterances: Sequence[Utterance],
           device: torch.device) -> Encoded | None:
    audio = [torch.from_numpy(as_float(u.audio)) if u.audio is not None else torch.zeros(0)
             for u in utterances]
    return _rows(model.audio, [padded(audio, 0)], [len(a) for a in audio], device)


def _faces(model: EmotionModel, utterances: Sequence[Utterance],
           device: torch.device) -> Encoded | None:
    limit = model.config.face.max_images
    chosen = [sample_evenly(list(u.faces), limit) if u.faces is not None else []
              for u in utterances]
    lengths = [len(row) for row in chosen]
    if not any(lengths):
        return None
    crops = torch.from_numpy(np.stack([crop for row in chosen for crop in row])).to(device)
    embeddings = [list(rows) for rows in torch.split(model.face.embed(crops), lengths)]
    return encode_faces(model.face, embeddings, device)


def padded(rows: list[Tensor], value: float) -> Tensor:
    """Return tensors of different lengths as one, (B, longest, ...)."""
    filled: Tensor = torch.nn.utils.rnn.pad_sequence(
        rows, batch_first=True, padding_value=value)
    return filled


def _rows(encoder: torch.nn.Module, inputs: list[Tensor], lengths: list[int],
          device: torch.device) -> Encoded | None:
    """Run an encoder over padded rows, those of length 0 among them."""
    if not any(lengths):
        return None
    sizes = torch.tensor(lengths, device=device)
    features, mask = encoder(*(x.to(device) for x in inputs), sizes.clamp(min=1))
    return features, mask & (sizes > 0)[:, None]
