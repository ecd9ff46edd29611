"""What a bundle says where nobody knows the answer, or where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.media import read_media
from mmer_ros.replay import replay_bag, ReplayOptions
from mmer_ros.types import AudioBlock, EMOTIONS, Estimate, InvalidInput, Utterance
import numpy as np
from training.augment import out_of_domain as nothing

DRAWS = 5  # of each kind of noise and picture
PARTIAL_RATE = 2.0  # Hz, of the estimates whose stability is looked at
CLIPS = ('.mpg', '.mp4', '.mov', '.avi', '.mkv', '.wav')


@dataclass(frozen=True)
class Said:
    """Estimates of one kind of input."""

    what: str
    estimates: Sequence[Estimate]

    def figures(self) -> dict[str, Any]:
        """Return how often neutral was said, and how sure the answers were."""
        labels = [e.label for e in self.estimates]
        sure = [e.confidence for e in self.estimates]
        return {'estimates': len(labels), 'neutral': labels.count('neutral') / len(labels),
                'mean_confidence': float(np.mean(sure)), 'highest_confidence': max(sure),
                'labels': {name: labels.count(name) for name in EMOTIONS if name in labels}}


def nobody(recognizer: Recognizer, seed: int = 100) -> list[Said]:
    """Return what is said of sounds that nobody makes, and of pictures without a face."""
    random = np.random.default_rng(seed)
    heard = [Said(f'sound: {kind}', [recognizer.recognize(
        Utterance(audio=nothing.sound(kind, random))) for _ in range(DRAWS)])
        for kind in nothing.SOUNDS]
    seen = [Said(f'picture: {kind}', [recognizer.recognize(
        Utterance(faces=nothing.picture(kind, random))) for _ in range(DRAWS)])
        for kind in nothing.PICTURES if kind != 'shuffled']
    return [*heard, *seen]


def clip_estimates(recognizer: Recognizer, path: Path) -> list[Estimate]:
    """Return the estimates of a clip as the robot would make them, partial ones too."""
    pipeline = Pipeline(recognizer, partial_rate=PARTIAL_RATE)
    found: list[Estimate] = []
    for item in read_media(path, pipeline.sampler()):
        found += (pipeline.push_audio(item) if isinstance(item, AudioBlock)
                  else pipeline.push_frame(item))
    return [*found, *pipeline.flush()]


def people(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """
    Return how neutral and how steady the answers to clips of people are.

    :param folder: of clips in which people speak without emotion, e.g. of GRID.
    :raises InvalidInput: if there are none, or nobody speaks in them.
    """
    clips = [clip_estimates(recognizer, p) for p in sorted(folder.iterdir()) if p.suffix in CLIPS]
    estimates = [e for clip in clips for e in clip]
    if not estimates:
        raise InvalidInput(f'{folder}: no clip in which somebody speaks; give clips of people')
    return {**Said('', estimates).figures(), 'clips': len(clips),
            'without_estimate': sum(not clip for clip in clips), 'flip_rate': flip_rate(clips)}


def flip_rate(clips: Iterable[Sequence[Estimate]]) -> float:
    """Return the share of estimates whose label differs from the one before in the same clip."""
    pairs = [(a.label, b.label) for clip in clips for a, b in zip(clip, clip[1:])]
    return sum(a != b for a, b in pairs) / len(pairs) if pairs else 0.0


def recording(bundle: str, path: Path, prior: str) -> dict[str, Any]:
    """Return what is said of the utterances of a recording, with its labels if it has some."""
    result = replay_bag(path, ReplayOptions(bundle=bundle, prior=prior, partial_rate=0.0))
    finals = [row for row in result.estimates if row['final']]
    scores = (result.summary['evaluation'] or {}).get('scores') or {}
    return {'utterances': len(finals), 'accuracy': scores.get('accuracy'),
            'mean_confidence': float(np.mean([row['confidence'] for row in finals])),
            'labels': [row['label'] for row in finals]}


def gather(recognizer: Recognizer, folder: Path | None) -> dict[str, Any]:
    """Return all of it as figures."""
    found: dict[str, Any] = {said.what: said.figures() for said in nobody(recognizer)}
    if folder is not None:
        found['people'] = people(recognizer, folder)
    return found
