"""How much the voice depends on the seed, and on the silence around the speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.batching import as_float
from mmer_ros.metrics import balanced_accuracy
from mmer_ros.types import EMOTIONS, Int16, Modality, SAMPLE_RATE
import numpy as np
from training.augment.speech import speech_span
from training.encoders import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.features import Clips, make_features
from training.starter.parts import make_parts
from training.starter.views import Views

DEV = 'dev'
MARGIN_S = 0.3  # of what is kept around the speech


def by_seed(trained: Sequence[TrainedEncoder], clips: Clips, folder: Path, reporter: Reporter
            ) -> dict[str, list[float]]:
    """
    Return the unweighted recall of encoders alone, by their own classifiers, on held-out clips.

    :param trained: the encoder, then single networks of its recipe, with different seeds.
    :return: a value for each: 'whole', of the clips as they are; 'cut', of the speech in them.
    """
    sets: dict[str, Clips] = {
        'whole': Views(clips, {DEV: (0,)}),
        'cut': Views(clips, {DEV: (1,)}, sound=cut, digest=f'cut {MARGIN_S}')}
    return {name: [_recall(each, held_out, folder, reporter) for each in trained]
            for name, held_out in sets.items()}


def cut(samples: Int16, _: np.random.Generator) -> Int16:
    """Return the speech with a little around it, as voice activity leaves it."""
    begin, end = speech_span(as_float(samples))
    margin = round(MARGIN_S * SAMPLE_RATE)
    return samples[max(0, begin - margin):end + margin]


def _recall(trained: TrainedEncoder, clips: Clips, folder: Path, reporter: Reporter) -> float:
    heard = make_features({Modality.AUDIO: trained}, clips, folder, reporter, splits=[DEV])
    parts = make_parts(trained, [(e.key, e.labels[0], heard.get(e.key)[Modality.AUDIO])
                                 for e in clips.examples if e.split == DEV and e.key in heard])
    table = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for part in parts:
        table[part.label, int(part.logits.argmax())] += 1
    return float(balanced_accuracy(table))
