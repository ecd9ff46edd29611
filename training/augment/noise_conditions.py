"""Voices in noise, cut to the speech, as the fusion learns them and as the card tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Float32, Int16
import numpy as np
from training.augment.speech import babble, Others, pink, white, with_noise
from training.augment.views import ChangeSound, cut
from training.corpora.clips import Clips
from training.corpora.examples import DEV

Noise = Callable[[int, np.random.Generator, Others], Float32]
NOISES: dict[str, Noise] = {'white': white, 'pink': pink, 'babble': babble}


def others_of(clips: Clips) -> Others:
    """Return what gives random clips, not of those held out, to babble."""
    keys: Sequence[str] = [e.key for e in clips.examples if e.split != DEV]

    def other(random: np.random.Generator) -> Float32:
        found = clips.audio(keys[int(random.integers(len(keys)))])
        return np.zeros(1, np.float32) if found is None else as_float(found)

    return other


def in_noise(kind: str, ratio_db: float, others: Others) -> ChangeSound:
    """
    Return what cuts a clip to the speech and adds noise.

    :param kind: of NOISES.
    :param ratio_db: signal-to-noise ratio of the speech.
    """
    def change(samples: Int16, random: np.random.Generator) -> Int16:
        speech = as_float(cut(samples))
        noise = NOISES[kind](len(speech), random, others)
        loud = np.clip(with_noise(speech, noise, ratio_db), -1, 1)
        result: Int16 = np.round(loud * 32_767).astype(np.int16)
        return result

    return change
