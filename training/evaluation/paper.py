# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The figures of the paper, in percent, as printed.

Robust Multimodal Emotion Recognition from Conversation with Transformer-Based Crossmodality
Fusion (Xie, Sidulova, Park; Sensors 21, 4913, 2021), Tables 1 to 3, on the test split of MELD.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmer_ros.types import Modality

WHOLE = Modality.TEXT | Modality.AUDIO | Modality.FACE
TABLE_MODALITIES = (Modality.AUDIO, Modality.FACE, Modality.TEXT, WHOLE)  # order of Tables 1, 2
TABLE_EMOTIONS = ('neutral', 'joy', 'sadness', 'anger', 'surprise', 'fear', 'disgust')

PerClass = dict[str, tuple[float, float, float]]

# Table 1: precision, recall, F1.
PER_CLASS: dict[Modality, PerClass] = {
    Modality.AUDIO: {
        'neutral': (48.5, 99.8, 65.2), 'joy': (45.5, 1.2, 2.4), 'sadness': (0.0, 0.0, 0.0),
        'anger': (60.0, 0.9, 1.7), 'surprise': (16.7, 0.4, 0.7), 'fear': (0.0, 0.0, 0.0),
        'disgust': (0.0, 0.0, 0.0)},
    Modality.FACE: {
        'neutral': (48.1, 99.0, 64.7), 'joy': (15.0, 0.7, 1.4), 'sadness': (0.0, 0.0, 0.0),
        'anger': (0.0, 0.0, 0.0), 'surprise': (0.0, 0.0, 0.0), 'fear': (0.0, 0.0, 0.0),
        'disgust': (0.0, 0.0, 0.0)},
    Modality.TEXT: {
        'neutral': (72.7, 82.1, 77.1), 'joy': (54.4, 53.7, 54.1), 'sadness': (40.1, 33.2, 36.3),
        'anger': (53.4, 39.1, 45.1), 'surprise': (53.0, 60.0, 56.3), 'fear': (16.1, 10.0, 12.3),
        'disgust': (52.4, 16.2, 24.7)},
    WHOLE: {
        'neutral': (74.0, 84.9, 79.1), 'joy': (56.7, 57.2, 56.9), 'sadness': (49.6, 29.3, 36.9),
        'anger': (51.4, 44.7, 47.8), 'surprise': (54.4, 61.4, 57.7), 'fear': (50.0, 6.0, 10.7),
        'disgust': (47.1, 11.8, 18.8)}}

# Last row of Table 1: weighted precision, weighted recall and their harmonic mean.
WEIGHTED_AVERAGE: dict[Modality, tuple[float, float, float]] = {
    Modality.AUDIO: (40.0, 48.4, 43.8), Modality.FACE: (25.5, 47.8, 33.3),
    Modality.TEXT: (61.0, 62.6, 61.8), WHOLE: (63.1, 65.0, 64.0)}

# Of MELD's test split, 2610 utterances (Poria et al. 2019).
TEST_SUPPORT = {'neutral': 1256, 'surprise': 281, 'fear': 50, 'sadness': 208, 'joy': 402,
                'disgust': 68, 'anger': 345}


@dataclass(frozen=True)
class Overall:
    """
    A row of Table 2.

    :param harmonic_f1: what the paper prints as F1.
    """

    accuracy: float
    balanced_accuracy: float
    harmonic_f1: float


OVERALL = {
    Modality.AUDIO: Overall(48.4, 14.6, 43.8), Modality.FACE: Overall(47.8, 14.3, 33.3),
    Modality.TEXT: Overall(62.6, 42.0, 61.8), WHOLE: Overall(65.0, 42.2, 64.0)}


@dataclass(frozen=True)
class Study:
    """
    A row of Table 3.

    :param f1: as printed. For the paper's own single modalities it is the weighted F1, for its
        fusion the harmonic mean of Table 2.
    """

    name: str
    modalities: Modality
    accuracy: float
    f1: float


_AUDIO_TEXT = Modality.AUDIO | Modality.TEXT
PROPOSED = 'Xie et al. 2021, the paper'
STUDIES = (
    Study('Ho et al. 2020', Modality.AUDIO, 48.8, 45.3),
    Study('Ho et al. 2020', Modality.TEXT, 61.7, 59.0),
    Study('Ho et al. 2020', _AUDIO_TEXT, 63.3, 60.6),
    Study('Lian et al. 2021', Modality.AUDIO, 46.9, 38.2),
    Study('Lian et al. 2021', Modality.TEXT, 60.6, 58.3),
    Study('Lian et al. 2021', _AUDIO_TEXT, 62.0, 60.5),
    Study('Siriwardhana et al. 2020', WHOLE, 64.3, 63.9),
    Study(PROPOSED, Modality.AUDIO, 48.4, 32.1),
    Study(PROPOSED, Modality.FACE, 47.8, 31.4),
    Study(PROPOSED, Modality.TEXT, 62.6, 61.2),
    Study(PROPOSED, WHOLE, 65.0, 64.0))


def implied_weighted_f1(modalities: Modality) -> float:
    """Return the weighted F1 that the rows of Table 1 imply, in percent."""
    rows = PER_CLASS[modalities]
    return sum(TEST_SUPPORT[name] * rows[name][2] for name in rows) / sum(TEST_SUPPORT.values())


# Table 3 prints it for the single modalities; for the fusion it has to be computed.
WEIGHTED_F1 = {Modality.AUDIO: 32.1, Modality.FACE: 31.4, Modality.TEXT: 61.2,
               WHOLE: implied_weighted_f1(WHOLE)}
