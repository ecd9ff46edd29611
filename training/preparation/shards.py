# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Shards: audio and encoded face images of some examples in one safetensors file."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any, cast

import cv2
from mmer_ros.types import FACE_SIZE, Int16, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray
import safetensors
import safetensors.numpy
from training.preparation.cache_format import PrepareConfig


def encode_image(image: UInt8, config: PrepareConfig) -> bytes:
    """
    Return an image as JPEG or PNG.

    :param image: (height, width, 3) uint8 RGB.
    """
    jpeg = config.image_format == 'jpeg'
    options = [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality] if jpeg else []
    _, data = cv2.imencode('.jpg' if jpeg else '.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                           options)
    return data.tobytes()


def decode_image(data: UInt8) -> UInt8 | None:
    """Return (FACE_SIZE, FACE_SIZE, 3) uint8 RGB, or None if the bytes are not such an image."""
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if image is None or image.shape != (FACE_SIZE, FACE_SIZE, 3):
        return None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def pack_shard(keys: Sequence[str], audio: Sequence[Int16 | None],
               images: Sequence[Sequence[bytes]]) -> bytes:
    """
    Return the bytes of a shard file.

    Tensors: audio (samples,) int16, of example i at audio_offsets[i]:audio_offsets[i + 1];
    images (bytes,) uint8, image j at image_offsets[j]:image_offsets[j + 1]; the images of
    example i are face_offsets[i]:face_offsets[i + 1]. The metadata `keys` is a JSON list.

    :param audio: (n,) int16 or None, per example.
    :param images: encoded faces by time, per example.
    """
    sounds = [np.zeros(0, np.int16) if sound is None else sound for sound in audio]
    flat = [image for sequence in images for image in sequence]
    arrays: dict[str, NDArray[np.generic]] = {
        'audio': np.concatenate([np.zeros(0, np.int16), *sounds]),
        'audio_offsets': _offsets([sound.size for sound in sounds]),
        'images': np.frombuffer(b''.join(flat), np.uint8),
        'image_offsets': _offsets([len(image) for image in flat]),
        'face_offsets': _offsets([len(sequence) for sequence in images])}
    # One entry only: safetensors does not keep the order of several, and shards are repeatable.
    return safetensors.numpy.save(arrays, {'keys': json.dumps(list(keys))})


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *lengths], dtype=np.int64)


class Shard:
    """
    A memory-mapped shard: only what is read is loaded.

    :raises InvalidInput: if it is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = cast(Any, safetensors.safe_open(path, 'numpy'))
            self.keys: list[str] = json.loads(self._file.metadata()['keys'])
            self._audio, self._images = (
                self._file.get_slice(name) for name in ('audio', 'images'))
            self._audio_offsets, self._image_offsets, self._face_offsets = (
                self._file.get_tensor(f'{name}_offsets') for name in ('audio', 'image', 'face'))
        except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(str(error)) from error

    def audio(self, row: int) -> Int16 | None:
        """Return the audio of an example, (n,) int16 at 16 kHz, or None."""
        start, end = (int(i) for i in self._audio_offsets[row:row + 2])
        return None if start == end else np.asarray(self._audio[start:end])

    def faces(self, row: int) -> UInt8 | None:
        """
        Return the faces of an example, (n, FACE_SIZE, FACE_SIZE, 3) uint8 RGB, or None.

        :raises InvalidInput: if an image is damaged.
        """
        first, last = (int(i) for i in self._face_offsets[row:row + 2])
        if first == last:
            return None
        bounds = self._image_offsets[first:last + 1]
        data = np.asarray(self._images[int(bounds[0]):int(bounds[-1])])
        pieces = np.split(data, bounds[1:-1] - bounds[0])
        images = [decode_image(piece) for piece in pieces]
        whole = [image for image in images if image is not None]
        if len(whole) < len(images):
            raise self._damaged(f'an image of {self.keys[row]} cannot be decoded')
        return np.stack(whole)

    def _damaged(self, what: str) -> InvalidInput:
        return InvalidInput(f'shard {self.path}: it is damaged ({what}); repeat `python -m '
                            'training prepare`, which replaces it')
