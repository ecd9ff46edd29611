# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The fused vectors in the plane, by t-SNE (Fig. 8 of the paper)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from training.engine.predictions import Predictions

MAX_POINTS = 2000
MIN_POINTS = 10
PERPLEXITY = 30.0


@dataclass(frozen=True)
class EmbeddingMap:
    """
    A layout of examples in the plane; neighbours are alike.

    :param points: (M, 2), each axis within -1..1.
    :param labels: (M,) true indices into EMOTIONS.
    :param answers: (M,) indices that the model gave.
    :param total: number of examples from which the M were drawn.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    total: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {'points': self.points.round(3).tolist(), 'labels': self.labels.tolist(),
                'answers': self.answers.tolist(), 'total': self.total}


def map_embeddings(predictions: Predictions, *, max_points: int = MAX_POINTS,
                   seed: int = 0) -> EmbeddingMap | None:
    """
    Lay the embeddings out in the plane; None without embeddings, or with too few of them.

    :param max_points: more examples than these are drawn from at random.
    """
    from sklearn.manifold import TSNE
    embeddings = predictions.embeddings
    if embeddings is None or len(embeddings) < MIN_POINTS:
        return None
    total = len(embeddings)
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:max_points])
    vectors = embeddings[chosen].astype(np.float64)
    vectors = (vectors - vectors.mean(axis=0)) / (vectors.std() or 1.0)
    layout = TSNE(perplexity=min(PERPLEXITY, (len(chosen) - 1) / 3), init='pca',
                  random_state=seed).fit_transform(vectors).astype(np.float64)
    layout -= (layout.max(axis=0) + layout.min(axis=0)) / 2
    layout /= np.abs(layout).max() or 1.0
    return EmbeddingMap(layout, predictions.labels[chosen],
                        predictions.logits[chosen].argmax(axis=1), total)
