# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Words spoken by espeak-ng: intelligible, in one tone whatever they mean."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
import tempfile

from mmer_ros.recordings.clips import resampled
from mmer_ros.recordings.media import read_audio
from mmer_ros.types import InvalidInput, SAMPLE_RATE
import numpy as np
from scipy.ndimage import gaussian_filter1d
from training.corpora.synthetic.people import MENS_CUTS, Person
from training.corpora.synthetic.voice import Track, TRACK_RATE

PROGRAM = 'espeak-ng'
WOMAN, MAN = 'en-us+f4', 'en-us+m1'
WORDS_A_MINUTE = 150
PEAK = .5  # of full scale
PAUSE_S = .15  # at a comma: shorter than the silence that ends an utterance
SILENCE = .01  # of the peak: quieter ends are trimmed
MOUTH_SIGMA_S = .03
LOUD_PERCENTILE = 92  # loudness at which a mouth is open


def speak_words(text: str, person: Person) -> Track:
    """
    Speak a sentence; a comma is a pause of PAUSE_S.

    The voice has the same pitch, pace and level in every sentence.

    :return: (samples,) at SAMPLE_RATE in [-1, 1], without silence at its ends.
    :raises InvalidInput: if espeak-ng is not installed or does not speak.
    """
    if shutil.which(PROGRAM) is None:
        raise InvalidInput(f'{PROGRAM}: it is not installed; on Debian and Ubuntu run '
                           f'apt-get install {PROGRAM}')
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE))
    pieces = [piece for phrase in text.split(',') for piece in (pause, _phrase(phrase, person))]
    return np.concatenate(pieces[1:])


def _phrase(text: str, person: Person) -> Track:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'phrase.wav'
        voice = MAN if person.cut in MENS_CUTS else WOMAN
        command = [PROGRAM, '-v', voice, '-s', str(WORDS_A_MINUTE), '-w', str(path), text]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise InvalidInput(f'{PROGRAM}: it cannot speak {text!r}: {error.stderr}') from error
        sound = resampled(read_audio(path))
    samples = np.asarray(sound, np.float64)
    samples *= PEAK / np.abs(samples).max()
    audible = np.flatnonzero(np.abs(samples) > SILENCE * PEAK)
    return samples[audible[0]:audible[-1] + 1]


def mouth_opening(speech: Track) -> Track:
    """
    Let a mouth follow the loudness of speech.

    :param speech: (samples,) at SAMPLE_RATE.
    :return: opening at TRACK_RATE, 0..1.
    """
    step = SAMPLE_RATE // TRACK_RATE
    frames = speech[:len(speech) // step * step].reshape(-1, step)
    loudness = np.sqrt((frames ** 2).mean(axis=1))
    loud = np.percentile(loudness[loudness > 0], LOUD_PERCENTILE) if loudness.any() else 1.
    opening = np.clip(loudness / loud, 0, 1.15) ** .8
    return np.asarray(gaussian_filter1d(opening, MOUTH_SIGMA_S * TRACK_RATE), np.float64)
