# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Correction of calibrated posteriors for another prior, that is, other class shares.

A calibrated posterior holds for the class shares of the examples on which it was calibrated.
Where emotions are more or less common, Bayes' rule corrects it: each probability is multiplied
by the new share over the old one, then all are scaled to sum 1 (Saerens et al., Adjusting the
outputs of a classifier to new a priori probabilities, 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
import math

from mmer_ros.types import EMOTIONS, Float32, InvalidInput
import numpy as np
from numpy.typing import NDArray

Shares = tuple[float, ...]

# Utterances of each emotion in MELD's train split (Poria et al. 2019), in label order.
MELD_COUNTS = (4710, 1205, 268, 683, 1743, 271, 1109)
NAMED: dict[str, Shares] = {
    'flat': (1 / len(EMOTIONS),) * len(EMOTIONS),
    # Between the two: talk is mostly neutral, but how much so is not known beforehand.
    'talk': tuple(count ** 0.5 / sum(c ** 0.5 for c in MELD_COUNTS) for count in MELD_COUNTS),
    'meld': tuple(count / sum(MELD_COUNTS) for count in MELD_COUNTS)}
ROBOT = 'talk'  # default of node, replay and command line


def read_prior(text: str) -> Shares | None:
    """
    Parse class shares (7,), sum 1; None for an empty text.

    :param text: 'flat', 'talk', 'meld', or seven numbers > 0 in the order of EMOTIONS, with
        commas or spaces between them.
    :raises InvalidInput: if it is none of these.
    """
    name = text.strip().lower()
    if not name:
        return None
    if name in NAMED:
        return NAMED[name]
    try:
        values = [float(word) for word in name.strip('[]()').replace(',', ' ').split()]
    except ValueError:
        values = []
    if len(values) != len(EMOTIONS) or not all(0 < v < math.inf for v in values):
        raise InvalidInput(
            f'prior {text!r}: expected {", ".join(map(repr, NAMED))}, or {len(EMOTIONS)} numbers '
            f'> 0, how common are {", ".join(EMOTIONS)}')
    return tuple(v / sum(values) for v in values)


def correction(asked: Sequence[float], trained: Sequence[float]) -> Float32:
    """
    Return what is added to calibrated logits, (7,): the log of the new shares over the old.

    It is added after the temperature, since only the calibrated output is a posterior.
    """
    total, before = math.fsum(asked), math.fsum(trained)
    return np.array([math.log((a / total) / (t / before)) for a, t in zip(asked, trained)],
                    np.float32)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the probabilities of logits, (7,)."""
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())
