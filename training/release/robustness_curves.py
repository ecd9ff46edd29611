# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Robustness of the bundle: noise, small faces, transcripts with errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
from mmer_ros.types import Modality, UInt8
import numpy as np
from training.augment.asr_errors import AsrSimulator
from training.augment.noise_conditions import in_noise, others_of
from training.augment.views import AugmentedViews, CUT, views_cut_to_speech
from training.corpora.clips import Clips, every_nth, TextOnly
from training.corpora.examples import DEV
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.engine.sampling import keyed_generator
from training.fusion.distillation_stage import DistilledFusionConfig
from training.fusion.unimodal_examples import encode_examples
from training.release.build_fusion import DistilledFusion
from training.release.scores import figures_of, probabilities

RATIOS_DB = (20, 10, 5, 0)
SIZES = (32, 24, 16, 12)  # pixels, of faces of 48
ERROR_RATES = (0.1, 0.2, 0.3)
EVERY = 3  # of the pictures, which gives narrow enough intervals
FULL = 48


@dataclass(frozen=True)
class Curve:
    """
    One curve of the card.

    :param measure: of `figures_of`.
    :param conditions: held-out clips by the place on the axis.
    """

    title: str
    axis: str
    measure: str
    modality: Modality
    conditions: dict[str, Clips]


def curves(text: Clips, voices: Clips, faces: Clips, train: Clips) -> Iterator[Curve]:
    """
    Yield all curves.

    :param text, voices, faces: with the held-out clips in their dev split.
    :param train: texts whose words the simulated recogniser knows.
    """
    some = every_nth(faces, DEV, EVERY)
    yield Curve('Small faces', 'width, pixels', 'accuracy', Modality.FACE, {
        str(FULL): AugmentedViews(some, {DEV: (0,)}),
        **{str(size): AugmentedViews(some, {DEV: (1,)}, faces=_smaller(size),
                                     digest=f'small {size}') for size in SIZES}})
    for kind, title in (('pink', 'Voices in pink noise, cut to the speech'),
                        ('babble', 'Voices in babble, cut to the speech')):
        yield Curve(title, 'signal-to-noise ratio, dB', 'unweighted_recall', Modality.AUDIO, {
            'clean': views_cut_to_speech(voices, {DEV: (CUT,)}),
            **{str(ratio): AugmentedViews(
                voices, {DEV: (1,)}, audio=in_noise(kind, ratio, others_of(voices)),
                digest=f'{kind} {ratio}, cut') for ratio in RATIOS_DB}})
    recogniser = AsrSimulator(e.text for e in train.examples)
    yield Curve('Simulated transcripts', 'word error rate', 'weighted_f1', Modality.TEXT, {
        'as written': text,
        **{str(rate): _transcripts(text, recogniser, rate) for rate in (0.0, *ERROR_RATES)}})


def measure(curve: Curve, trained: TrainedEncoder, fused: DistilledFusion,
            recipe: DistilledFusionConfig, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Return the points of a curve: condition, measure, ECE, mean confidence."""
    points = []
    for name, clips in curve.conditions.items():
        examples = encode_examples(trained, clips, DEV, folder, reporter)
        figures = figures_of(
            np.array([e.label for e in examples], np.int64),
            probabilities(fused.network, recipe.modality_weights,
                          [{curve.modality: e} for e in examples],
                          fused.temperatures[curve.modality.key]))
        points.append([name, figures[curve.measure]['value'], figures['ece'],
                       figures['mean_confidence']])
    return {'title': curve.title, 'axis': curve.axis, 'measure': curve.measure, 'points': points}


def _smaller(size: int) -> Callable[[UInt8, np.random.Generator], UInt8]:
    def change(crops: UInt8, random: np.random.Generator) -> UInt8:
        small = [cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA) for crop in crops]
        return np.stack([cv2.resize(each, crops.shape[1:3], interpolation=cv2.INTER_LINEAR)
                         for each in small]).astype(np.uint8)

    return change


def _transcripts(text: Clips, recogniser: AsrSimulator, rate: float) -> TextOnly:
    return TextOnly([replace(e, text=recogniser.transcribe(
        e.text, rate, keyed_generator(f'{rate}/{e.key}'))) for e in text.examples
        if e.split == DEV])
