# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The encoders and the fusion as exported graphs: NumPy arrays in and out, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

from mmer_ros.networks.audio_streaming import Hidden, HopStreaming
from mmer_ros.networks.audio_windows import WindowState, WindowStreaming
from mmer_ros.networks.backbones import (
    Array,
    BACKBONES,
    DialogueContext,
    Encoded,
    StreamingEncoder,
)
from mmer_ros.networks.configs import (
    AudioEncoderConfig,
    FaceEncoderConfig,
    ModelConfig,
    TextEncoderConfig,
    WhisperEncoderConfig,
)
from mmer_ros.networks.face_streaming import FaceStreaming
from mmer_ros.networks.hub_configs import (
    HubAudioConfig,
    HubFaceConfig,
    HubTextConfig,
    SHORTEST,
)
from mmer_ros.networks.hub_text_input import HubTextStreaming
from mmer_ros.networks.text_input import TextStreaming
from mmer_ros.networks.whisper_streaming import WhisperStreaming
from mmer_ros.onnx_graphs import Graph
from mmer_ros.types import Float32, MODALITIES, Modality, UInt8
import numpy as np
from numpy.typing import NDArray

Graphs = Mapping[str, Graph]
FUSION, VOICE_CLASSIFIER = 'fusion', 'audio_classifier'  # graphs


class OnnxTextEncoder(TextStreaming):
    """The GPT as the graph `text`."""

    def __init__(self, config: TextEncoderConfig, graphs: Graphs) -> None:
        self.config = config
        self.width = config.n_embd
        self._network = graphs['text']

    def encode_tokens(self, token_ids: NDArray[np.int64], token_types: NDArray[np.int64],
                      lengths: Sequence[int]) -> Encoded:
        """Run the network, as TextStreaming.encode_tokens."""
        return _encode_padded(self._network, [token_ids, token_types], lengths)


class OnnxAudioEncoder(HopStreaming):
    """
    The WaveRNN as the graphs `audio_frame` and `audio_hop`.

    Each takes one step, so that shapes are always the same: how the audio was cut cannot change
    a bit.
    """

    def __init__(self, config: AudioEncoderConfig, graphs: Graphs) -> None:
        self.config = config
        self.width = config.n_rnn
        self._frame, self._hop = graphs['audio_frame'], graphs['audio_hop']

    def zeros(self, *shape: int) -> Float32:
        """Return zeros."""
        return np.zeros(shape, np.float32)

    def from_numpy(self, samples: Float32) -> Float32:
        """Return the samples."""
        return samples

    def cat(self, arrays: Sequence[Float32], axis: int) -> Float32:
        """Return arrays one behind the other."""
        return np.concatenate(arrays, axis=axis)

    def spectrogram(self, samples: Float32) -> Float32:
        """Return mel frames, as HopStreaming.spectrogram."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        return np.concatenate([
            self._frame(samples[:, start:start + n_fft])[0]
            for start in range(0, samples.shape[1] - n_fft + 1, hop)], axis=2)

    def run_hops(self, wave: Float32, frames: Float32, hidden: Hidden) -> tuple[Float32, Hidden]:
        """Return features and states, as HopStreaming.run_hops."""
        hop, seen = self.config.hop_length, 1 + 2 * self.config.pad_frames
        features = []
        for i in range(wave.shape[1] // hop):
            step, *states = self._hop(wave[:, i * hop:(i + 1) * hop], frames[:, :, i:i + seen],
                                      *hidden)
            hidden = states[0], states[1]
            features.append(step)
        return np.concatenate(features, axis=1), hidden

    def pad_rows(self, rows: Sequence[Float32 | None]) -> Encoded | None:
        """Return a batch, as HopStreaming.pad_rows."""
        return _pad(rows)


class OnnxWhisperEncoder(WhisperStreaming):
    """The Whisper as the graph `audio_window`, its linear map as `audio_features`."""

    def __init__(self, config: WhisperEncoderConfig, graphs: Graphs) -> None:
        self.config = config
        self.width = config.width
        self._window, self._features = graphs['audio_window'], graphs['audio_features']

    def encode_window(self, mel: Float32) -> Float32:
        """Run the network, as WhisperStreaming.encode_window."""
        return self._window(mel)[0]

    def features(self, states: Float32) -> Float32:
        """Return the features, as WhisperStreaming.features."""
        return self._features(states)[0]

    def cat(self, arrays: Sequence[Float32]) -> Float32:
        """Return arrays one behind the other."""
        return np.concatenate(arrays)

    def pad_rows(self, rows: Sequence[Float32 | None]) -> Encoded | None:
        """Return a batch, as WhisperStreaming.pad_rows."""
        return _pad(rows)


class OnnxHubTextEncoder(HubTextStreaming):
    """A text model of the Hugging Face hub as the graph `text`."""

    def __init__(self, config: HubTextConfig, graphs: Graphs) -> None:
        self.config = config
        self._network = graphs['text']
        one = np.zeros((1, 1), np.int64)
        self.width = int(self.encode_tokens(one, one, [1])[0].shape[-1])

    def encode_tokens(self, token_ids: NDArray[np.int64], token_types: NDArray[np.int64],
                      lengths: Sequence[int]) -> Encoded:
        """Run the network, as TextStreaming.encode_tokens."""
        types = [token_types] if self.config.segments else []
        return _encode_padded(self._network, [token_ids, *types], lengths)


class OnnxHubAudioEncoder(WindowStreaming):
    """A speech model of the Hugging Face hub as the graph `audio_window`."""

    def __init__(self, config: HubAudioConfig, graphs: Graphs) -> None:
        self.config = config
        self.width = config.width
        self._network = graphs['audio_window']

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.config.window

    def states(self, samples: Float32) -> Float32:
        """Return the features of a window, as WindowStreaming.states."""
        padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
        features: Float32 = self._network(padded[None])[0][0]                 # (T, width)
        return features

    def finish(self, states: Sequence[WindowState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far."""
        return _pad([None if s.empty else np.concatenate(self.windows_of(s)) for s in states])


class OnnxFaceEncoder(FaceStreaming):
    """The CNN as the graph `face`, the GRU as `face_sequence`."""

    def __init__(self, config: FaceEncoderConfig | HubFaceConfig, graphs: Graphs) -> None:
        self.config = config
        self.width = config.hidden
        self._embed, self._sequence = graphs['face'], graphs['face_sequence']

    def embed_crops(self, crops: UInt8) -> Float32:
        """Return the embeddings, as FaceStreaming.embed_crops."""
        return self._embed(crops)[0]

    def encode_embeddings(self, rows: Sequence[Sequence[Float32]]) -> Encoded:
        """Run the GRU, as FaceStreaming.encode_embeddings."""
        padded = _pad([np.stack(row) if row else None for row in rows])
        assert padded is not None
        return _encode_padded(self._sequence, [padded[0]], [len(row) for row in rows])


OnnxHubFaceEncoder = OnnxFaceEncoder  # its graph `face` is any vision model


class Fused(NamedTuple):
    """
    What a fusion gives for a batch, whichever engine ran it.

    logits: (B, 7); weights: (B, M) of MODALITIES in the result, sum 1; present: (B, M) bool.
    """

    logits: Float32
    weights: Float32
    present: NDArray[np.bool_]


class VoiceClassifier(Protocol):
    """
    The linear classifier of an audio encoder, and the gate of a late fusion.

    :ivar weight: (7, width) of the classifier.
    """

    weight: Float32

    def classify(self, features: Array) -> tuple[Float32, float]:
        """
        Return the logits of an utterance, (7,), and the logit of the gate: > 0 is a voice.

        :param features: (T, width); their mean is classified.
        """

    def subtract(self, features: Array, shifts: Float32) -> Array:
        """Return features (B, T, width) less shifts (B, width)."""


class Model(Protocol):
    """
    Encoders and their fusion, in any engine.

    :ivar encoders: of each modality.
    """

    @property
    def encoders(self) -> Mapping[Modality, StreamingEncoder]:
        """The encoder of each modality."""

    def inference(self) -> AbstractContextManager[object]:
        """Return the context in which encoders and fusion run."""

    def fuse(self, features: Mapping[Modality, Encoded], weights: Sequence[float]) -> Fused:
        """
        Fuse the features of a batch.

        :param features: for each modality at hand (B, T, width) and mask (B, T); a row without a
            valid step lacks that modality.
        :param weights: (M,) relative weights > 0 of MODALITIES where they are available.
        :raises ValueError: if a row has no modality at all.
        """

    def voice_classifier(self) -> VoiceClassifier | None:
        """Return the classifier of the audio encoder; None if it is not linear."""


class OnnxVoiceClassifier:
    """A VoiceClassifier as the graph `audio_classifier`."""

    def __init__(self, graph: Graph, width: int) -> None:
        self._graph = graph
        self.weight: Float32 = graph(np.zeros((1, width), np.float32))[2]

    def classify(self, features: Float32) -> tuple[Float32, float]:
        """Return logits and gate, as VoiceClassifier.classify."""
        logits, gate, _ = self._graph(features.mean(axis=0, keepdims=True))
        return logits[0], float(gate[0, 0])

    def subtract(self, features: Float32, shifts: Float32) -> Float32:
        """Return the difference, as VoiceClassifier.subtract."""
        moved: Float32 = features - shifts[:, None]
        return moved


class OnnxModel:
    """
    The whole model as graphs.

    :param graphs: by name; those of each encoder, and `fusion`.
    """

    def __init__(self, config: ModelConfig, graphs: Graphs) -> None:
        self.encoders: dict[Modality, StreamingEncoder] = {}
        for modality in MODALITIES:
            settings = config.encoder(modality)
            make = BACKBONES[modality].find(settings.backbone).exported
            assert make is not None  # or there would be no graphs
            self.encoders[modality] = make(settings, graphs)
        self._fusion = graphs[FUSION]
        self._voice = graphs.get(VOICE_CLASSIFIER)

    def inference(self) -> AbstractContextManager[object]:
        """Return a context that does nothing."""
        return nullcontext()

    def fuse(self, features: Mapping[Modality, Encoded], weights: Sequence[float]) -> Fused:
        """Fuse the features of a batch, as Model.fuse."""
        batch = len(next(iter(features.values()))[0]) if features else 0
        inputs: list[NDArray[np.generic]] = []
        for modality, encoder in self.encoders.items():
            inputs += features.get(modality) or (
                np.zeros((batch, 1, encoder.width), np.float32), np.zeros((batch, 1), np.bool_))
        present = np.stack([mask.any(axis=1) for mask in inputs[1::2]], axis=1)  # (B, M)
        if not batch or not present.any(axis=1).all():
            raise ValueError('an utterance has no modality; nothing can be estimated')
        logits, shares = self._fusion(*inputs, np.array(weights, np.float32))
        return Fused(logits, shares, present)

    def voice_classifier(self) -> OnnxVoiceClassifier | None:
        """Return the classifier, as Model.voice_classifier."""
        width = self.encoders[Modality.AUDIO].width
        return OnnxVoiceClassifier(self._voice, width) if self._voice else None


def _encode_padded(network: Graph, inputs: Sequence[NDArray[np.generic]], lengths: Sequence[int]
                   ) -> Encoded:
    """Run a network over padded rows, some of which may have length 0."""
    sizes = np.array(lengths, np.int64)
    features, mask = network(*inputs, np.maximum(sizes, 1))
    return features, mask & (sizes > 0)[:, None]


def _pad(rows: Sequence[Float32 | None]) -> Encoded | None:
    """Return rows (T_i, width), some of which may be missing, as a batch and its mask."""
    some = next((row for row in rows if row is not None), None)
    if some is None:
        return None
    lengths = [0 if row is None else len(row) for row in rows]
    features = np.zeros((len(rows), max(lengths), some.shape[1]), np.float32)  # (B, T, width)
    for filled, row, length in zip(features, rows, lengths):
        if row is not None:
            filled[:length] = row
    return features, np.arange(max(lengths)) < np.array(lengths)[:, None]
