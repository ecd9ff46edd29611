"""How much the encoders depend on the seed, and the voice on the silence around the speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.batching import as_float
from mmer_ros.metrics import accuracy, balanced_accuracy, weighted_f1
from mmer_ros.types import EMOTIONS, Int16, Modality, SAMPLE_RATE
import numpy as np
from training.augment.speech import speech_span
from training.encoders import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.features import Clips, make_features
from training.starter.parts import make_parts
from training.starter.sources import DEV
from training.starter.views import CUT, Views

MARGIN_S = 0.3  # of what voice activity keeps around the speech
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


def whole(clips: Clips) -> Clips:
    """Return the held-out clips as they are."""
    return Views(clips, {DEV: (0,)})


def cut_to_speech(clips: Clips) -> Clips:
    """Return the held-out clips as voice activity leaves them."""
    return Views(clips, {DEV: (CUT,)}, sound=lambda samples, _: cut(samples),
                 digest=f'cut {MARGIN_S}')


def cut(samples: Int16) -> Int16:
    """Return the speech with a little around it."""
    begin, end = speech_span(as_float(samples))
    margin = round(MARGIN_S * SAMPLE_RATE)
    return samples[max(0, begin - margin):end + margin]


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
