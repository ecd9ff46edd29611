# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Embeddings of all faces of a corpus by a frozen FaceNet, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmer_ros.networks.face_encoder import FaceEncoder
import numpy as np
import torch
from torch import Tensor
from training.corpora.examples import TEST
from training.encoders.trained_encoder import weights_fingerprint
from training.engine.device import placed
from training.engine.files import fingerprint
from training.engine.progress import Reporter
from training.engine.tensor_store import make_store, TensorStore
from training.preparation.clip_cache import ClipCache

BATCH = 64  # images


@dataclass(frozen=True)
class Embeddings:
    """
    FaceNet embeddings of the examples of train and dev.

    :param mirrored: of the mirrored images, or None.
    """

    plain: TensorStore
    mirrored: TensorStore | None

    @classmethod
    def make(cls, encoder: FaceEncoder, cache: ClipCache, folder: Path, reporter: Reporter, *,
             mirrored: bool) -> Embeddings:
        """
        Embed all images, except for those that are on disk already.

        :param folder: gets a subfolder named by weights and corpus.
        """
        keys = [e.key for e in cache.examples
                if e.split != TEST and e.labels and cache.sizes(e.key)[1]]
        name = fingerprint(cache.digest, weights_fingerprint(encoder.facenet), '\n'.join(keys))
        with placed(encoder.eval()) as device:
            plain, flipped = (make_store(
                folder / f'{name}{suffix}', keys,
                partial(_embed, encoder, cache, device, columns), title='embeddings of faces',
                console=reporter.console) if wanted else None for suffix, columns, wanted in (
                    ('', slice(None), True), ('-mirrored', slice(None, None, -1), mirrored)))
        assert plain is not None
        return cls(plain, flipped)

    def get(self, key: str, mirrored: bool) -> Tensor:
        """Return the embeddings of all images of an example, (n, 512)."""
        store = self.mirrored if mirrored else self.plain
        assert store is not None, 'made by the same recipe'
        return store.get(key)


@torch.inference_mode()
def _embed(encoder: FaceEncoder, cache: ClipCache, device: torch.device, columns: slice,
           keys: Sequence[str]) -> dict[str, Tensor]:
    """Return the embeddings of some examples, with the image columns in this order."""
    found = {}
    for key in keys:
        crops = cache.faces(key)
        assert crops is not None, key
        images = torch.from_numpy(np.ascontiguousarray(crops[:, :, columns]))
        found[key] = torch.cat([encoder.embed(batch.to(device)).cpu()
                                for batch in images.split(BATCH)])
    return found
