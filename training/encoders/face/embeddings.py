"""Embeddings of all faces of a corpus by a FaceNet that stays as it is, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path

from mmer_ros.networks.face_encoder import FaceEncoder
import numpy as np
import torch
from torch import Tensor
from training.engine.device import placed
from training.engine.progress import Reporter
from training.engine.tensor_store import make_store, TensorStore
from training.preparation.clip_cache import ClipCache

BATCH = 64  # images


@dataclass(frozen=True)
class Embeddings:
    """
    FaceNet embeddings of the examples of train and dev.

    :param mirrored: of the mirrored images; None if they are not wanted.
    """

    plain: TensorStore
    mirrored: TensorStore | None

    @classmethod
    def make(cls, encoder: FaceEncoder, cache: ClipCache, folder: Path, reporter: Reporter, *,
             mirrored: bool) -> Embeddings:
        """
        Embed all images, or what is missing of them.

        :param encoder: whose FaceNet is used, as in evaluation.
        :param folder: gets a folder named by the weights and the corpus.
        """
        keys = [e.key for e in cache.examples
                if e.split != 'test' and e.labels and cache.sizes(e.key)[1]]
        name = _fingerprint(encoder, cache, keys)
        with placed(encoder.eval()) as device:
            worker = _Worker(encoder, cache, device)
            plain = make_store(folder / name, keys, worker.plain, title='embeddings of faces',
                               console=reporter.console)
            return cls(plain, make_store(
                folder / f'{name}-mirrored', keys, worker.mirrored, console=reporter.console,
                title='embeddings of mirrored faces') if mirrored else None)

    def get(self, key: str, mirrored: bool) -> Tensor:
        """Return the embeddings of all images of an example, (n, 512)."""
        store = self.mirrored if mirrored else self.plain
        assert store is not None, 'flip is of the same recipe'
        return store.get(key)


class _Worker:
    """Embeds examples."""

    def __init__(self, encoder: FaceEncoder, cache: ClipCache, device: torch.device) -> None:
        self.encoder, self.cache, self.device = encoder, cache, device

    def plain(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """Return the embeddings of the images as they are."""
        return {key: self._embed(key, slice(None)) for key in keys}

    def mirrored(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """Return those of the mirrored images."""
        return {key: self._embed(key, slice(None, None, -1)) for key in keys}

    @torch.inference_mode()
    def _embed(self, key: str, columns: slice) -> Tensor:
        crops = self.cache.faces(key)
        assert crops is not None, key
        images = torch.from_numpy(np.ascontiguousarray(crops[:, :, columns]))
        return torch.cat([self.encoder.embed(part.to(self.device)).cpu()
                          for part in images.split(BATCH)])


def _fingerprint(encoder: FaceEncoder, cache: ClipCache, keys: Sequence[str]) -> str:
    """Return a name that changes with the FaceNet and the images."""
    digest = hashlib.sha256(cache.info.model_dump_json().encode())
    for name, weights in sorted(encoder.facenet.state_dict().items()):
        digest.update(name.encode() + weights.detach().cpu().contiguous().numpy().tobytes())
    digest.update('\n'.join(keys).encode())
    return digest.hexdigest()[:16]
