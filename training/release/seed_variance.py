"""How much the encoders depend on the seed."""

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
from training.fusion.features import make_features
from training.fusion.unimodal_examples import make_parts

MEASURES: dict[Modality, Callable[..., Any]] = {
    Modality.TEXT: weighted_f1, Modality.AUDIO: balanced_accuracy, Modality.FACE: accuracy}


def by_seed(trained: Sequence[TrainedEncoder], clips: Clips, folder: Path, reporter: Reporter
            ) -> list[float]:
    """
    Return how good encoders are alone, by their own classifiers, on held-out clips.

    :param trained: of one modality; they differ in the seed.
    :return: for each: weighted F1 of text, unweighted recall of voices, accuracy of faces.
    """
    return [_score(each, clips, folder, reporter) for each in trained]


def _score(trained: TrainedEncoder, clips: Clips, folder: Path, reporter: Reporter) -> float:
    modality = trained.modality
    cache = make_features({modality: trained}, clips, folder, reporter, splits=[DEV])
    parts = make_parts(trained, [
        (e.key, e.labels[0], cache.get(e.key)[modality])
        for e in clips.examples if e.split == DEV and e.labels and e.key in cache])
    table = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for part in parts:
        table[part.label, int(part.logits.argmax())] += 1
    return float(MEASURES[modality](table))
