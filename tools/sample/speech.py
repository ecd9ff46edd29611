"""The sound of the sample recording: flite's voices, placed in time over a soft room noise."""

from __future__ import annotations

import math
from pathlib import Path
import shutil
import subprocess
import tempfile
import wave

import numpy as np
from numpy.typing import NDArray
from tools.sample.script import DIALOGUE, Line, Utterance, VOICES

SAMPLE_RATE = 16_000  # Hz, what the two voices speak at
LEAD_S = 1.3  # silence before the first and after the last turn, seconds
PAUSE_S = (.95, 1.3)  # range of pauses between turns, seconds
PAN_PAUSE_S = (1.35, 1.5)  # the same where the camera moves to or from the face
NOISE_DBFS = -60.
_FLOOR = .01  # of the peak: quieter ends of a synthesised turn are trimmed


def flite_missing() -> str:
    """Say what is missing to synthesise speech; empty if nothing is."""
    if shutil.which('flite') is None:
        return 'flite is not installed (Debian and Ubuntu: apt-get install flite)'
    voices = subprocess.run(['flite', '-lv'], capture_output=True, text=True, check=True).stdout
    lacking = sorted(set(VOICES.values()) - set(voices.split()))
    return f'flite lacks the voices {", ".join(lacking)}' if lacking else ''


def synthesise(line: Line) -> NDArray[np.float64]:
    """
    Speak one line with flite, without silence at either end.

    :returns: (N,) samples in [-1, 1] at SAMPLE_RATE.
    :raises RuntimeError: if flite or the voice is not there, or speaks at another rate.
    """
    settings = {'int_f0_target_mean': line.f0, 'int_f0_target_stddev': line.f0_spread,
                'duration_stretch': line.stretch}
    # A comma makes flite pause longer than a voice activity detector waits.
    words = line.text.replace(',', '')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'line.wav'
        command = ['flite', '-voice', VOICES[line.speaker], '-t', words, '-o', str(path)]
        for name, value in settings.items():
            command += ['--setf', f'{name}={value}']
        try:
            subprocess.run(command, check=True, capture_output=True)
        except FileNotFoundError as error:
            raise RuntimeError(flite_missing()) from error
        with wave.open(str(path)) as file:
            if file.getframerate() != SAMPLE_RATE:
                raise RuntimeError(f'flite spoke at {file.getframerate()} Hz, not {SAMPLE_RATE}')
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768.
    samples *= line.peak / np.abs(samples).max()
    audible = np.flatnonzero(np.abs(samples) > _FLOOR * line.peak)
    return samples[audible[0]:audible[-1] + 1]


def speech(seed: int = 0) -> tuple[NDArray[np.int16], list[Utterance]]:
    """
    Speak the whole dialogue.

    :param seed: of the pauses and the room noise.
    :returns: (N,) int16 samples at SAMPLE_RATE, and the utterances in order of time.
    :raises RuntimeError: if flite is not there.
    """
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[np.float64]] = []
    utterances: list[Utterance] = []
    position = round(LEAD_S * SAMPLE_RATE)
    seen = True
    for line in DIALOGUE:
        if utterances:
            bounds = PAUSE_S if line.face_visible and seen else PAN_PAUSE_S
            position += round(rng.uniform(*bounds) * SAMPLE_RATE)
        samples = synthesise(line)
        start, position = position, position + len(samples)
        utterances.append(Utterance(line, start / SAMPLE_RATE, position / SAMPLE_RATE))
        pieces.append(samples)
        seen = line.face_visible
    length = math.ceil(position / SAMPLE_RATE + LEAD_S) * SAMPLE_RATE
    sound = rng.normal(0, 10 ** (NOISE_DBFS / 20), length)
    for utterance, samples in zip(utterances, pieces, strict=True):
        start = round(utterance.start * SAMPLE_RATE)
        sound[start:start + len(samples)] += samples
    return np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16), utterances
