# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Frames of acted clips, through the robot's own face detection: an unseen corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from mmer_ros.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    bootstrap_interval,
    paired_difference,
)
from mmer_ros.sensing.face_detector import FaceConfig, FaceDetector, make_detector
from mmer_ros.sensing.faces import crop_face
from mmer_ros.types import EMOTIONS, Float32, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from training.corpora.ravdess import EMOTION_OF
from training.evaluation.faces.models import FaceModel
from training.evaluation.faces.rated_pictures import calibration_error


@dataclass(frozen=True)
class ActedClip:
    """
    A clip as frames of a face.

    :param key: name of its file; `label`: index into EMOTIONS.
    :param crops: (T, 160, 160, 3) of the frames in which the robot finds a face; T may be 0.
    :param frames: of the clip.
    """

    key: str
    label: int
    crops: UInt8
    frames: int


def read_frames(folder: Path, detector: FaceDetector | None = None) -> list[ActedClip]:
    """
    Read RAVDESS clips that are strips of square grey frames, and crop the faces as the robot does.

    :param folder: with labels.csv (columns face_strip, emotion_code) and the JPEGs in face/.
    :raises InvalidInput: if a file is missing, damaged or of another layout.
    """
    detector = detector or make_detector(FaceConfig())
    path = folder / 'labels.csv'
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = [(row['face_strip'], EMOTION_OF[int(row['emotion_code'])])
                    for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise InvalidInput(f'frames {path}: it cannot be read ({error!r}); expected the columns '
                           'face_strip and emotion_code of RAVDESS') from error
    return [_clip(folder / 'face' / name, EMOTIONS.index(emotion), detector)
            for name, emotion in rows]


def _clip(path: Path, label: int, detector: FaceDetector) -> ActedClip:
    strip = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if strip is None or strip.shape[1] % strip.shape[0]:
        raise InvalidInput(f'frames {path}: expected a picture of square frames side by side')
    frames = np.split(np.asarray(strip, np.uint8), strip.shape[1] // strip.shape[0], axis=1)
    found = [crop for frame in frames if (crop := robot_crop(frame, detector)) is not None]
    crops = np.stack(found) if found else np.zeros((0, 160, 160, 3), np.uint8)
    return ActedClip(path.stem, label, crops, len(frames))


def robot_crop(frame: UInt8, detector: FaceDetector) -> UInt8 | None:
    """Return the largest face of a grey frame as the robot crops it; None without a face."""
    image = np.repeat(frame[..., None], 3, axis=2)
    found = detector.detect(image)
    return crop_face(image, found[0].box, detector.config.margin) if found else None


def acted_logits(model: FaceModel, clips: Sequence[ActedClip]) -> dict[str, Float32]:
    """Return the logits (N, 7) after the GRU, and of the mean of the single steps' answers."""
    sequences = [model.embed(clip.crops) for clip in clips]
    means = [softmax(model.sequence_logits([row[None] for row in s]), axis=1).mean(axis=0)
             for s in sequences]
    return {'gru': model.sequence_logits(sequences),
            'mean of steps': np.log(np.stack(means).clip(min=1e-9))}


def acted_scores(labels: NDArray[np.int64], logits: Mapping[str, Float32]) -> dict[str, Any]:
    """
    Return the scores by the name of the model, and differences to the first.

    :param labels: (N,); `logits`: (N, 7) of each model.
    """
    own = {name: softmax(x.astype(np.float64), axis=1) for name, x in logits.items()}
    first = next(iter(own))
    return {name: {
        'count': len(labels),
        'accuracy': vars(bootstrap_interval(accuracy, labels, p)),
        'balanced': vars(bootstrap_interval(balanced_accuracy, labels, p)),
        'recall': {EMOTIONS[i]: float((p[labels == i].argmax(axis=1) == i).mean())
                   for i in np.unique(labels)},
        'ece': calibration_error(p.max(axis=1), p.argmax(axis=1) == labels),
        'better_than_first': vars(paired_difference(balanced_accuracy, labels, p, own[first])),
    } for name, p in own.items()}
