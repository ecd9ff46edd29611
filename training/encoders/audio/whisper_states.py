# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What a Whisper makes of clips: mean and deviation over time of its layers' outputs, on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.networks.batching import as_float
from mmer_ros.networks.pretrained import load_whisper
from mmer_ros.networks.whisper_encoder import WhisperEncoder, WhisperEncoderConfig
from mmer_ros.types import EMOTIONS
from rich.console import Console
import torch
from torch import Tensor
from training.engine.device import CPU, default_device
from training.engine.files import fingerprint
from training.engine.tensor_store import make_store, TensorStore


def make_moments(source: str, config: WhisperEncoderConfig, clips: Any, folder: Path,
                 console: Console) -> TensorStore:
    """
    Return mean and deviation of the states of each clip, (1, 2 * len(states) * d_model) by key.

    :param source: of the Whisper, as of `load_whisper`.
    :param folder: gets a subfolder named by network and audio, which runs may share; the same
        call resumes.
    :raises PretrainedUnavailable: if the Whisper is neither local, cached nor reachable.
    """
    keys = sorted(e.key for e in clips.examples)
    name = fingerprint(source, config.model_dump_json(), clips.digest, *keys)
    return make_store(folder / name, keys, _Whisper(source, config, clips),
                      title=f'states of {source} for {len(keys)} clips', console=console)


class _Whisper:
    """The network, loaded on first use."""

    def __init__(self, source: str, config: WhisperEncoderConfig, clips: Any) -> None:
        self._source, self._config, self._clips = source, config, clips
        self._encoder: WhisperEncoder | None = None

    @torch.inference_mode()
    def __call__(self, keys: Sequence[str]) -> Mapping[str, Tensor]:
        if self._encoder is None:
            self._encoder = WhisperEncoder(self._config, len(EMOTIONS))
            load_whisper(self._encoder, self._source)
            self._encoder.to(default_device()).eval()
        encoder = self._encoder
        return {key: encoder.moments(encoder.whole(as_float(self._clips.audio(key))))[None].to(CPU)
                for key in keys}
