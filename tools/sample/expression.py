"""How the face of the sample recording moves: expression, mouth, blinks and camera over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from tools.sample.script import Utterance

RATE = 100  # Hz, of every track


@dataclass(frozen=True)
class Pose:
    """
    What a face does at one moment; lengths are in pixels of the 512 x 512 photograph.

    The photograph itself is a smile: smile 1, gap 6.5, eyes 1 and the rest 0.

    :param smile: 1 the photographed smile, 0 straight lips, negative for lowered corners.
    :param narrow: how far the corners of the mouth come together, pixels.
    :param gap: distance between the lips, pixels.
    :param brow: how far the brows are raised, pixels; negative lowers them.
    :param brow_inner: the same for their inner ends, added to `brow`, pixels.
    :param frown: how far the inner ends of the brows come together, pixels.
    :param eyes: opening of the eyes relative to the photograph.
    :param sneer: how far the upper lip and the wings of the nose are raised, pixels.
    """

    smile: float = .3
    narrow: float = 2.
    gap: float = 0.
    brow: float = 0.
    brow_inner: float = 0.
    frown: float = 0.
    eyes: float = 1.
    sneer: float = 0.


EXPRESSIONS = {
    'neutral': Pose(),
    'joy': Pose(smile=1.25, narrow=-1.5, gap=4.5, brow=.6, eyes=.88),
    'surprise': Pose(smile=.1, narrow=4.5, gap=6., brow=3.2, eyes=1.24),
    'fear': Pose(smile=-.5, narrow=-1., gap=3., brow=1.5, brow_inner=2.5, frown=1.5, eyes=1.22),
    'sadness': Pose(smile=-1.1, narrow=3., brow=-.5, brow_inner=3., frown=1.2, eyes=.72),
    'disgust': Pose(smile=-.6, narrow=2., gap=1.5, brow=-1.8, frown=1., eyes=.62, sneer=3.2),
    'anger': Pose(smile=-.8, narrow=3.5, gap=1., brow=-2.2, brow_inner=-1.8, frown=2.6, eyes=.85),
}
MOUTH_GAP = 9.  # pixels of the photograph that loud speech adds to the gap
_HOLD_S = .35  # an expression begins this long before its turn and outlasts it as long


def smooth(track: NDArray[np.float64], sigma_s: float) -> NDArray[np.float64]:
    """
    Smooth a track over time with a Gaussian, holding its ends.

    :param track: (N,) at RATE.
    :param sigma_s: standard deviation in seconds.
    """
    reach = round(4 * sigma_s * RATE)
    kernel = np.exp(-.5 * (np.arange(-reach, reach + 1) / (sigma_s * RATE)) ** 2)
    smoothed: NDArray[np.float64] = np.convolve(
        np.pad(track, reach, 'edge'), kernel / kernel.sum(), 'valid')
    return smoothed


def envelope(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.float64]:
    """
    Follow the loudness of speech.

    :param samples: (N,) mono PCM.
    :param sample_rate: Hz, a multiple of RATE.
    :returns: (N * RATE // sample_rate,) root mean square in [0, 1] of full scale, at RATE.
    """
    hop = sample_rate // RATE
    frames = samples[:len(samples) // hop * hop].reshape(-1, hop) / 32768.
    return np.asarray(np.sqrt((frames ** 2).mean(1)), np.float64)


def _spans(utterances: Sequence[Utterance], length: int, hold_s: float) -> list[slice]:
    return [slice(max(0, round((u.start - hold_s) * RATE)),
                  min(length, round((u.end + hold_s) * RATE))) for u in utterances]


def mouth_track(loudness: NDArray[np.float64], utterances: Sequence[Utterance],
                speaker: str) -> NDArray[np.float64]:
    """
    Let the mouth follow the voice of one speaker.

    :param loudness: (N,) from `envelope`.
    :returns: (N,) how far speech opens the mouth, about [0, 1].
    """
    mouth = np.zeros(len(loudness))
    for utterance, span in zip(utterances, _spans(utterances, len(mouth), 0), strict=True):
        if utterance.line.speaker == speaker and loudness[span].any():
            loud = loudness[span] / np.percentile(loudness[span], 92)
            mouth[span] = np.clip(loud, 0, 1.15) ** .8
    return smooth(mouth, .03)


def expression_tracks(utterances: Sequence[Utterance], length: int,
                      speaker: str) -> dict[str, NDArray[np.float64]]:
    """
    Carry each turn's expression into smooth tracks of every field of a pose.

    :param length: number of steps at RATE.
    :returns: (length,) track by the name of the field.
    """
    tracks = {}
    spans = _spans(utterances, length, _HOLD_S)
    for field in fields(Pose):
        track = np.full(length, getattr(EXPRESSIONS['neutral'], field.name), np.float64)
        for utterance, span in zip(utterances, spans, strict=True):
            if utterance.line.speaker == speaker:
                track[span] = getattr(EXPRESSIONS[utterance.line.emotion], field.name)
        tracks[field.name] = smooth(track, .12)
    return tracks


def blink_track(length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Close the eyes for a moment every few seconds: (length,) factors of their opening."""
    opening = np.ones(length)
    position = rng.uniform(1, 3)
    while position * RATE < length:
        start = round(position * RATE)
        opening[start:start + 10] = .05
        position += rng.uniform(2.2, 4.5)
    return smooth(opening, .03)


def away_track(utterances: Sequence[Utterance], length: int) -> NDArray[np.float64]:
    """
    Turn the camera from the face and back, within the pauses around turns it does not show.

    :returns: (length,) 0 at the face, 1 away from it.
    """
    away = np.zeros(length)
    for before, utterance, after in zip([None, *utterances[:-1]], utterances,
                                        [*utterances[1:], None], strict=True):
        if not utterance.line.face_visible:
            start = 0. if before is None else (before.end + utterance.start) / 2
            end = length / RATE if after is None else (utterance.end + after.start) / 2
            away[round(start * RATE):round(end * RATE)] = 1
    return smooth(away, .16)


def wander(length: int, rng: np.random.Generator, period_s: float) -> NDArray[np.float64]:
    """
    Draw a slow smooth movement around 0 with a standard deviation of about 1.

    :param period_s: the time it takes to change, seconds.
    """
    sigma_s = period_s / 4
    beyond = round(4 * sigma_s * RATE)  # held ends would stray: smooth over more than is used
    track = smooth(rng.normal(size=length + 2 * beyond), sigma_s)[beyond:beyond + length]
    return track * np.float64(np.sqrt(2 * np.sqrt(np.pi) * sigma_s * RATE))
