"""What the bundle is worth under worse conditions: noise, small faces, words heard wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
from mmer_ros.types import Modality, UInt8
import numpy as np
from training.augment.asr_errors import Recogniser
from training.augment.noise_conditions import in_noise, others_of
from training.augment.views import CUT, cut_to_speech, Every, random_of, Views
from training.corpora.clips import Clips, TextOnly
from training.corpora.examples import DEV
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.distillation_stage import StarterFusion
from training.fusion.features import make_features
from training.fusion.unimodal_examples import make_parts
from training.release.build import Fused
from training.release.scores import figures_of, logits_of, softmax

RATIOS_DB = (20, 10, 5, 0)
SIZES = (32, 24, 16, 12)  # pixels, of faces of 48
ERROR_RATES = (0.1, 0.2, 0.3)
EVERY = 3  # of the pictures; intervals are narrow enough
FULL = 48


@dataclass(frozen=True)
class Condition:
    """Held-out clips of a modality under a condition, and its name on the axis of a curve."""

    name: str
    clips: Clips


@dataclass(frozen=True)
class Curve:
    """
    One curve of the card.

    :param measure: of `figures_of`.
    """

    title: str
    axis: str
    measure: str
    modality: Modality
    conditions: tuple[Condition, ...]


def curves(text: Clips, voices: Clips, faces: Clips, learned: Clips) -> Iterator[Curve]:
    """
    Yield all curves.

    :param text, voices, faces: with the held-out clips in their dev split.
    :param learned: texts of which the recogniser of bad hearing knows its words.
    """
    few: Any = Every(faces, DEV, EVERY)
    yield Curve('Faces that were small in the image', 'width, pixels', 'accuracy', Modality.FACE, (
        Condition(str(FULL), Views(few, {DEV: (0,)})),
        *(Condition(str(size), Views(few, {DEV: (1,)}, faces=_smaller(size),
                                     digest=f'small {size}')) for size in SIZES)))
    for kind, title in (('pink', 'Voices in pink noise, cut to the speech'),
                        ('babble', 'Voices among others, cut to the speech')):
        yield Curve(title, 'signal-to-noise ratio, dB', 'unweighted_recall', Modality.AUDIO, (
            Condition('clean', cut_to_speech(voices, {DEV: (CUT,)})),
            *(Condition(str(ratio), Views(voices, {DEV: (1,)}, digest=f'{kind} {ratio}, cut',
                                          sound=in_noise(kind, ratio, others_of(voices))))
              for ratio in RATIOS_DB)))
    recogniser = Recogniser(e.text for e in learned.examples)
    yield Curve('Words as a recogniser hears them', 'word error rate', 'weighted_f1',
                Modality.TEXT, (
                    Condition('as written', text),
                    *(Condition(str(rate), _heard(text, recogniser, rate))
                      for rate in (0.0, *ERROR_RATES))))


def measured(curve: Curve, trained: TrainedEncoder, fused: Fused, recipe: StarterFusion,
             folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Return the points of a curve, as the card shows them."""
    points = []
    name = str(curve.modality.name).lower()
    for condition in curve.conditions:
        cache = make_features({curve.modality: trained}, condition.clips, folder, reporter,
                              splits=[DEV])
        parts = make_parts(trained, [
            (e.key, e.labels[0], cache.get(e.key)[curve.modality])
            for e in condition.clips.examples if e.split == DEV and e.key in cache])
        logits = logits_of(fused.network, recipe.trust, [{curve.modality: p} for p in parts])
        figures: Mapping[str, Any] = figures_of(
            np.array([p.label for p in parts], np.int64),
            softmax(logits.astype(np.float64) / fused.temperatures[name]))
        points.append([condition.name, figures[curve.measure]['value'], figures['ece'],
                       figures['mean_confidence']])
    return {'title': curve.title, 'axis': curve.axis, 'measure': curve.measure, 'points': points}


def _smaller(size: int) -> Callable[[UInt8, np.random.Generator], UInt8]:
    def change(crops: UInt8, random: np.random.Generator) -> UInt8:
        small = [cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA) for crop in crops]
        return np.stack([cv2.resize(each, crops.shape[1:3], interpolation=cv2.INTER_LINEAR)
                         for each in small]).astype(np.uint8)

    return change


def _heard(text: Clips, recogniser: Recogniser, rate: float) -> TextOnly:
    return TextOnly([replace(e, text=recogniser.hear(e.text, rate, random_of(f'{rate}/{e.key}')))
                     for e in text.examples if e.split == DEV])
