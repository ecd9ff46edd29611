# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Predictions of a bundle without a known answer: out-of-domain inputs and people who read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.media import read_media
from mmer_ros.types import AudioBlock, EMOTIONS, Estimate, InvalidInput, Utterance
import numpy as np
from training.augment.out_of_domain import picture_kinds, pictures, sound, SOUNDS

DRAWS = 5  # of each kind of sound and picture
PARTIAL_RATE = 2.0  # Hz
CLIPS = ('.mpg', '.mp4', '.mov', '.avi', '.mkv', '.wav')


def sanity_figures(recognizer: Recognizer, folder: Path | None, seed: int = 100
                   ) -> dict[str, Any]:
    """
    Return the predictions for sounds without speech, pictures without a face, and people.

    :param folder: of clips of people who speak without emotion, e.g. of GRID, or None.
    """
    random = np.random.default_rng(seed)
    inputs = {f'sound: {kind}': [Utterance(audio=sound(kind, random)) for _ in range(DRAWS)]
              for kind in SOUNDS}
    inputs |= {f'picture: {kind}': [Utterance(faces=pictures(kind, random)) for _ in range(DRAWS)]
               for kind in picture_kinds(with_faces=False)}
    found = {name: _figures([recognizer.recognize(each) for each in utterances])
             for name, utterances in inputs.items()}
    return found | ({'people': people_figures(recognizer, folder)} if folder else {})


def people_figures(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """
    Return how often clips of people are neutral, and how stable the predictions are.

    :raises InvalidInput: if there is no clip with speech.
    """
    clips = [clip_estimates(recognizer, p) for p in sorted(folder.iterdir()) if p.suffix in CLIPS]
    estimates = [e for clip in clips for e in clip]
    if not estimates:
        raise InvalidInput(f'{folder}: there is no clip with speech; give clips of people')
    return {**_figures(estimates), 'clips': len(clips),
            'without_estimate': sum(not clip for clip in clips), 'flip_rate': flip_rate(clips)}


def _figures(estimates: Sequence[Estimate]) -> dict[str, Any]:
    labels = [e.label for e in estimates]
    confidences = [e.confidence for e in estimates]
    return {'estimates': len(labels), 'neutral': labels.count('neutral') / len(labels),
            'mean_confidence': float(np.mean(confidences)),
            'highest_confidence': max(confidences),
            'labels': {name: labels.count(name) for name in EMOTIONS if name in labels}}


def clip_estimates(recognizer: Recognizer, path: Path) -> list[Estimate]:
    """Return the estimates of a clip as on the robot, partial ones included."""
    pipeline = Pipeline(recognizer, partial_rate=PARTIAL_RATE)
    found: list[Estimate] = []
    for item in read_media(path, pipeline.sampler()):
        found += (pipeline.push_audio(item) if isinstance(item, AudioBlock)
                  else pipeline.push_frame(item))
    return [*found, *pipeline.flush()]


def flip_rate(clips: Iterable[Sequence[Estimate]]) -> float:
    """Return the share of estimates whose label differs from the one before in the clip."""
    pairs = [(a.label, b.label) for clip in clips for a, b in zip(clip, clip[1:])]
    return sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0
