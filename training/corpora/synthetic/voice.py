# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Synthetic speech: a glottal source through formants (source and filter, Fant 1960).

Syllables of a consonant and a vowel follow one another; they are no words. Tracks have STEP
samples between values.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, lfilter, sosfilt
from training.corpora.synthetic.people import Person
from training.corpora.synthetic.prosody import Prosody, vary

STEP = 80  # samples, 5 ms
TRACK_RATE = SAMPLE_RATE // STEP  # Hz
SPEECH_DBFS = -25.  # root mean square of neutral speech
SNR_DB = (14., 34.)  # of neutral speech over the room
GAIN_DB = (-3., 3.)  # of the microphone

# Formants of a man's vowels, Hz (Peterson & Barney 1952): i e ae a o u er uh.
VOWELS = np.array([[270, 2290, 3010], [530, 1840, 2480], [660, 1720, 2410], [730, 1090, 2440],
                   [570, 840, 2410], [300, 870, 2240], [490, 1350, 1690], [640, 1190, 2390]])
CONSONANT_FORMANTS = np.array([280., 1500., 2500.])
BANDWIDTHS = np.array([70., 90., 130., 200., 280.])
CONSONANTS = ('none', 'stop', 'fricative', 'nasal')
Track = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """
    The syllables of an utterance in time.

    :param prosody: of this utterance.
    :param lead: silence before, seconds; `tail` after.
    :param lengths: (syllables,) seconds.
    :param vowels: (syllables,) rows of VOWELS.
    :param consonants: (syllables,) before each vowel, indices into CONSONANTS.
    """

    prosody: Prosody
    lead: float
    tail: float
    lengths: Track
    vowels: NDArray[np.int64]
    consonants: NDArray[np.int64]

    @property
    def duration(self) -> float:
        """Length of the clip, seconds, whole steps."""
        return round(float(self.lead + self.tail + self.lengths.sum()) * TRACK_RATE) / TRACK_RATE


def make_score(prosody: Prosody, syllables: int, rng: np.random.Generator) -> Score:
    """Lay out an utterance in time; cheap, nothing is synthesised."""
    varied = vary(prosody, rng)
    lengths = rng.uniform(.78, 1.22, syllables) / varied.rate
    lengths[-1] *= 1.3
    return Score(varied, rng.uniform(.12, .3), rng.uniform(.12, .3), lengths,
                 rng.integers(len(VOWELS), size=syllables),
                 rng.choice(len(CONSONANTS), syllables, p=(.15, .3, .25, .3)))


@dataclass(frozen=True)
class _Tracks:
    voice: Track  # amplitude of the glottal source
    hiss: Track  # amplitude of the friction noise
    pitch: Track  # semitones
    formants: NDArray[np.float64]  # (steps, 3) Hz, of a man


def loudness(score: Score) -> Track:
    """Return how far speech opens the mouth at TRACK_RATE, 0..1."""
    return _amplitudes(score)[0]


def speak(score: Score, person: Person, rng: np.random.Generator) -> Int16:
    """
    Synthesise an utterance, with room noise.

    :return: (samples,) int16 at SAMPLE_RATE, `score.duration` long.
    """
    tracks = _tracks(score, rng)
    count = len(tracks.voice) * STEP
    noise = rng.normal(0, 1, count)
    source = _source(tracks, score.prosody, person, noise, rng)
    speech = _formants(source, tracks.formants / person.tract, person.tract)
    high = sosfilt(butter(2, 2800, 'high', fs=SAMPLE_RATE, output='sos'), noise)
    voiced = np.sqrt(np.mean(speech[speech != 0] ** 2)) if speech.any() else 1.
    speech = speech / voiced + .35 * high * _stretch(tracks.hiss, count)
    room = lfilter([1.], [1., -.9], rng.normal(0, 1, count))
    level, gain = score.prosody.level, rng.uniform(*GAIN_DB)
    snr = rng.uniform(*SNR_DB)
    mixed = speech * 10 ** (level / 20) + room / room.std() * 10 ** (-snr / 20)
    mixed *= 10 ** ((SPEECH_DBFS + gain) / 20)
    return np.asarray(np.round(32767 * np.tanh(mixed)), np.int16)


def _amplitudes(score: Score) -> tuple[Track, Track]:
    """Return the amplitudes of voice and friction."""
    steps = round(score.duration * TRACK_RATE)
    voice, hiss = np.zeros(steps), np.zeros(steps)
    edges = np.round((score.lead + np.r_[0, np.cumsum(score.lengths)]) * TRACK_RATE).astype(int)
    for start, end, consonant in zip(edges[:-1], edges[1:], score.consonants):
        split = start + round((end - start) * (0 if consonant == 0 else .28))
        voice[split:end] = 1 - .35 * np.linspace(0, 1, end - split)
        kind = CONSONANTS[consonant]
        if kind == 'nasal':
            voice[start:split] = .4
        elif kind == 'fricative':
            hiss[start:split] = 1.
        elif kind == 'stop':
            hiss[max(split - 3, start):split] = 1.2
    return gaussian_filter1d(voice, 2.2), gaussian_filter1d(hiss, 1.)


def _tracks(score: Score, rng: np.random.Generator) -> _Tracks:
    prosody = score.prosody
    voice, hiss = _amplitudes(score)
    edges = np.round((score.lead + np.r_[0, np.cumsum(score.lengths)]) * TRACK_RATE).astype(int)
    place = np.clip((np.arange(len(voice)) - edges[0]) / max(edges[-1] - edges[0], 1), 0, 1)
    pitch = np.zeros(len(voice))
    formants = np.tile(CONSONANT_FORMANTS, (len(voice), 1))
    accents = rng.normal(0, prosody.accent, len(score.lengths))
    for start, end, vowel, accent in zip(edges[:-1], edges[1:], score.vowels, accents):
        pitch[start:end] = accent
        formants[start + (end - start) // 5:end] = VOWELS[vowel]
    pitch[edges[-2]:edges[-1]] += np.linspace(0, prosody.final, edges[-1] - edges[-2])
    pitch = gaussian_filter1d(pitch, 9) + prosody.pitch + prosody.slope * (place - .5)
    times = np.arange(len(voice)) / TRACK_RATE
    pitch += prosody.tremor * np.sin(2 * np.pi * (rng.uniform(5.5, 7) * times + rng.random()))
    pitch += prosody.jitter * gaussian_filter1d(rng.normal(0, 1, len(voice)), .7) * 1.5
    return _Tracks(voice, hiss, pitch, gaussian_filter1d(formants, 5, axis=0))


def _stretch(track: Track, count: int) -> Track:
    """Interpolate a track to the samples."""
    places = (np.arange(len(track)) + .5) * STEP
    return np.asarray(np.interp(np.arange(count), places, track), np.float64)


def _source(tracks: _Tracks, prosody: Prosody, person: Person, noise: Track,
            rng: np.random.Generator) -> Track:
    """Return glottal pulses (Rosenberg 1971) with some breath noise, (samples,)."""
    count = len(noise)
    cycles = np.cumsum(person.pitch * 2 ** (_stretch(tracks.pitch, count) / 12)) / SAMPLE_RATE
    cycles += rng.random()
    phase = cycles % 1
    opened, closed = .42 - .1 * prosody.brightness, .62 - .12 * prosody.brightness
    flow = np.where(phase < opened, .5 - .5 * np.cos(np.pi * phase / opened),
                    np.cos(np.pi / 2 * (phase - opened) / (closed - opened)))
    flow = np.where(phase < closed, flow, 0.)
    flow *= 1 - prosody.creak * .8 * (np.floor(cycles) % 2)
    pulses = np.diff(flow, prepend=flow[0])  # the lips radiate the derivative
    soft = .9 * (1 - prosody.brightness)
    pulses = lfilter([1 - soft], [1, -soft], pulses)
    breath = (person.breath + prosody.breath) * noise * pulses.std() * (.5 + flow)
    return np.asarray((pulses + 2 * breath) * _stretch(tracks.voice, count), np.float64)


def _formants(source: Track, lowest: NDArray[np.float64], tract: float) -> Track:
    """
    Filter with resonators whose frequencies change every other step.

    :param lowest: (steps, 3) Hz; two fixed ones follow above.
    """
    upper = np.tile(np.array([3500., 4500.]) / tract, (len(lowest), 1))
    frequencies = np.minimum(np.hstack([lowest, upper]), .47 * SAMPLE_RATE)  # (steps, 5)
    radius = np.exp(-np.pi * BANDWIDTHS / SAMPLE_RATE)
    second = -2 * radius * np.cos(2 * np.pi * frequencies / SAMPLE_RATE)
    sections = np.zeros((*frequencies.shape, 6))
    sections[..., 0] = 1 + second + radius ** 2  # gain 1 at 0 Hz
    sections[..., 3], sections[..., 4], sections[..., 5] = 1, second, radius ** 2
    state = np.zeros((frequencies.shape[1], 2))
    result = np.empty_like(source)
    for step, cascade in enumerate(sections[::2]):
        span = slice(2 * step * STEP, 2 * (step + 1) * STEP)
        result[span], state = sosfilt(cascade, source[span], zi=state)
    return result
