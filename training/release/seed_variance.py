# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Scores of encoders that differ in the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import accuracy, balanced_accuracy, weighted_f1
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from training.corpora.clips import Clips
from training.corpora.examples import DEV
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.unimodal_examples import encode_examples, labelled_logits

MEASURES: dict[Modality, Callable[..., Any]] = {
    Modality.TEXT: weighted_f1, Modality.AUDIO: balanced_accuracy, Modality.FACE: accuracy}


def scores_by_seed(trained: Sequence[TrainedEncoder], clips: Clips, folder: Path,
                   reporter: Reporter) -> list[float]:
    """
    Return the score of each encoder by its own classifier on held-out clips.

    :param trained: of one modality.
    :return: weighted F1 of text, unweighted recall of voices, accuracy of faces.
    """
    found = []
    for each in trained:
        known = labelled_logits(encode_examples(each, clips, DEV, folder, reporter))
        table = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
        np.add.at(table, (known.labels, known.logits.argmax(axis=1)), 1)
        found.append(float(MEASURES[each.modality](table)))
    return found
