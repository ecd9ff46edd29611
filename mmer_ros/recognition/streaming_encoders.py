"""The encoders at work on utterances that come part by part, one alone or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmer_ros.networks.audio_encoder import AudioState
from mmer_ros.networks.batching import as_float, encode_faces, encode_text, Encoded, padded
from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.networks.face_encoder import FaceState
from mmer_ros.networks.text_encoder import DialogueTokenizer, TextState
from mmer_ros.profiling import AUDIO, FACE, Stages, TEXT, UNMEASURED
from mmer_ros.types import Modality, Turn, UInt8
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor


@dataclass
class Encoding:
    """The encoders' states of one utterance."""

    text: TextState
    audio: AudioState
    face: FaceState

    @property
    def empty(self) -> bool:
        """Whether nothing was received yet."""
        return not (self.text.words or self.audio.received or self.face.embeddings)


@dataclass(frozen=True)
class Evidence:
    """
    What is new of an utterance.

    :param encoding: of the utterance; it is brought on.
    :param audio: (samples,) 16 kHz mono, int16 or float in [-1, 1]; None or empty: none.
    :param faces: (n, 160, 160, 3) uint8 RGB; None or empty: none.
    """

    encoding: Encoding
    text: str | None
    audio: NDArray[np.generic] | None
    faces: UInt8 | None


@dataclass(frozen=True)
class Context:
    """What goes with an encoding into the text encoder, as types.Utterance."""

    encoding: Encoding
    speaker: str
    history: Sequence[Turn]
    reply: Turn | None = None


class Encoders:
    """
    Take what is new of utterances, and give the features of all that came.

    A sequence of one is worked on crop by crop, and its answer does not depend on how it was cut
    into parts. Several are worked on together, padded: faster, and equal but for rounding.
    """

    def __init__(self, model: EmotionModel, tokenizer: DialogueTokenizer,
                 device: torch.device) -> None:
        """Take the encoders of a model that is on the device."""
        self._model = model
        self._tokenizer = tokenizer
        self._device = device

    def start(self) -> Encoding:
        """Return the states before the first part."""
        model = self._model
        return Encoding(model.text.start(), model.audio.start(), model.face.start())

    def start_face(self) -> FaceState:
        """Return the state before the first crop of another face."""
        return self._model.face.start()

    def stream(self, news: Sequence[Evidence], stages: Stages = UNMEASURED) -> None:
        """Take what is new of utterances, each of which is there at most once."""
        for new in news:
            if new.text:
                self._model.text.stream(new.encoding.text, new.text)
        heard = [(new.encoding.audio, self._tensor(as_float(new.audio))) for new in news
                 if new.audio is not None and new.audio.size]
        seen = [(new.encoding.face, self._tensor(new.faces)) for new in news
                if new.faces is not None and len(new.faces)]
        if heard:
            with stages.measuring(AUDIO):
                self._model.audio.stream_together(*zip(*heard))
        if len(seen) == 1:
            with stages.measuring(FACE):
                self._model.face.stream(*seen[0])
        elif seen:
            with stages.measuring(FACE):
                embeddings = self._model.face.embed(torch.cat([crops for _, crops in seen]))
                for (state, _), rows in zip(seen, torch.split(
                        embeddings, [len(crops) for _, crops in seen])):
                    state.embeddings += list(rows)

    def finish(self, contexts: Sequence[Context], stages: Stages = UNMEASURED
               ) -> dict[Modality, Encoded]:
        """
        Return the features of utterances; their states are not changed.

        :return: for each modality that any of them has, features (B, T, width) and mask (B, T);
            the row of an utterance without it has an empty mask.
        """
        model = self._model
        with stages.measuring(TEXT):
            text = encode_text(model.text, [
                model.text.context(self._tokenizer, c.encoding.text.text, speaker=c.speaker,
                                   history=c.history, reply=c.reply)
                if c.encoding.text.words else None for c in contexts],
                self._tokenizer.pad, self._device)
        with stages.measuring(AUDIO):
            audio = self._batch(model.audio.finish_together(
                [c.encoding.audio for c in contexts]))
        with stages.measuring(FACE):
            face = encode_faces(
                model.face, [c.encoding.face.embeddings for c in contexts], self._device)
        encoded = {Modality.TEXT: text, Modality.AUDIO: audio, Modality.FACE: face}
        return {modality: e for modality, e in encoded.items() if e is not None}

    def _batch(self, rows: Sequence[Tensor | None]) -> Encoded | None:
        """Return features (T, width) of which some may be missing, padded and masked."""
        some = next((row for row in rows if row is not None), None)
        if some is None:
            return None
        lengths = torch.tensor([0 if row is None else len(row) for row in rows],
                               device=self._device)
        features = padded([some[:0] if row is None else row for row in rows], 0)
        steps = torch.arange(features.shape[1], device=self._device)
        return features, steps < lengths[:, None]

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
