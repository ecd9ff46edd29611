# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Golden answers: what a bundle answers to synthetic input, written down with the versions used.

`python -m tools.make_golden` writes test/bundles/golden.json; with `--check` it compares instead.
The inputs are computed here, from NumPy alone, and their digests are stored: input that changed,
a bundle that changed, a dependency that drifted and code that changed can be told apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
import hashlib
from importlib.metadata import PackageNotFoundError, version
import json
import math
from pathlib import Path
import platform
import sys
from typing import Any

from mmer_ros.onnx_graphs import ENGINES, TORCH
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import FACE_SIZE, Modality, SAMPLE_RATE, subset_name, SUBSETS, Utterance
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / 'test' / 'bundles' / 'golden.json'
TOLERANCE = 1e-4  # of a logit; other processors differ by about 1e-6
# Packages whose versions can change what a network answers.
PACKAGES = ('numpy', 'onnxruntime', 'safetensors', 'scipy', 'tokenizers', 'torch', 'transformers')
VOWELS = ((700, 1_220, 2_600), (300, 2_300, 3_000), (350, 800, 2_400))  # formants in Hz: a, i, u
WIDTHS = (100, 140, 220)  # of the formants, Hz

TEXTS = {
    'cheerful': 'That is wonderful news, I am so happy for you!',
    'upset': 'I hate this. Leave me alone, get out of my house.',
    'matter of fact': 'The meeting is on the second floor.',
}
# Pitch in Hz, its excursion, syllables a second, loudness in [0, 1], seconds.
VOICES = {
    'cheerful': (240.0, 0.30, 5.0, 0.35, 1.5),
    'upset': (190.0, 0.15, 6.0, 0.80, 2.0),
    'matter of fact': (115.0, 0.05, 3.5, 0.15, 1.2),
}
# Curvature of the mouth (> 0 smiles), its opening, height of the brows; in face heights.
FACES = {
    'cheerful': (0.10, 0.05, 0.02),
    'upset': (-0.08, 0.02, -0.05),
    'matter of fact': (0.0, 0.01, 0.0),
}


def draw_voice(pitch: float, excursion: float, syllables: float, loudness: float,
               seconds: float) -> NDArray[np.int16]:
    """
    Return babble: harmonics of a moving pitch through moving formants, with hiss between them.

    :returns: (samples,) int16 at 16 kHz.
    """
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    syllable = time * syllables
    melody = pitch * (1 + excursion * np.sin(2 * np.pi * 0.9 * time)) * (1 - 0.1 * time / seconds)
    phase = 2 * np.pi * np.cumsum(melody) / SAMPLE_RATE
    vowels = np.array(VOWELS)[np.arange(math.ceil(syllable[-1]) + 1) % len(VOWELS)]
    formants = [np.interp(syllable, np.arange(len(vowels)), vowels[:, i]) for i in range(3)]
    wave = np.zeros_like(time)
    for harmonic in range(1, int(5_000 / pitch)):
        gain = 0.02 + sum(np.exp(-((harmonic * melody - centre) / width) ** 2 / 2)
                          for centre, width in zip(formants, WIDTHS))
        wave += gain / harmonic ** 0.7 * np.sin(harmonic * phase)
    breath = np.random.default_rng(0).integers(-1_000, 1_001, len(time)) / 1_000
    voiced = np.clip(3 * np.sin(np.pi * syllable) ** 2 - 0.4, 0, 1)  # consonants hiss
    wave = voiced * wave / np.abs(wave).max() + 0.1 * (1.1 - voiced) * breath
    samples: NDArray[np.int16] = np.round(29_000 * loudness * wave).astype(np.int16)
    return samples


def draw_face(curve: float, opening: float, brows: float) -> NDArray[np.uint8]:
    """
    Return a drawn face, from the front.

    :returns: (FACE_SIZE, FACE_SIZE, 3) uint8 RGB.
    """
    y, x = (np.indices((FACE_SIZE, FACE_SIZE)) + 0.5) / FACE_SIZE - 0.5  # centre 0, down and right
    image = np.full((FACE_SIZE, FACE_SIZE, 3), (96, 112, 128), np.float64)
    image += 40 * y[..., None]

    def paint(where: NDArray[np.bool_], *rgb: float) -> None:
        image[where] = rgb

    paint((x / 0.36) ** 2 + (y / 0.47) ** 2 < 1, 214, 170, 140)  # skin
    paint(((x / 0.37) ** 2 + (y / 0.48) ** 2 < 1) & (y < -0.28), 70, 48, 32)  # hair
    for side in (-1, 1):
        u = x - 0.15 * side
        paint((u / 0.06) ** 2 + ((y + 0.08) / 0.03) ** 2 < 1, 245, 245, 245)
        paint(u ** 2 + (y + 0.08) ** 2 < 0.024 ** 2, 40, 30, 25)
        slope = -side * u * brows * 6  # lowered brows meet at the nose
        paint((np.abs(u) < 0.08) & (np.abs(y + 0.16 + brows + slope) < 0.012), 60, 40, 30)
    paint((np.abs(x) < 0.03) & (np.abs(y - 0.07) < 0.07) & (y - 0.02 > 2 * np.abs(x)),
          190, 140, 115)
    lips = y - 0.23 + curve * ((x / 0.14) ** 2 - 0.5)
    paint((np.abs(x) < 0.14) & (np.abs(lips) < 0.014 + opening), 150, 60, 60)
    paint((np.abs(x) < 0.12) & (np.abs(lips) < opening), 50, 20, 20)
    shade = 12 * np.cos(np.pi * x)[..., None]
    pixels: NDArray[np.uint8] = np.clip(np.round(image + shade), 0, 255).astype(np.uint8)
    return pixels


def draw_faces(curve: float, opening: float, brows: float) -> NDArray[np.uint8]:
    """Return three drawn faces, (3, FACE_SIZE, FACE_SIZE, 3), whose expression grows."""
    return np.stack([draw_face(curve * share, opening * share, brows * share)
                     for share in (0.6, 0.8, 1.0)])


def golden_inputs() -> dict[str, Utterance]:
    """Return the utterances with all modalities, by name."""
    return {name: Utterance(text=text, audio=draw_voice(*VOICES[name]),
                            faces=draw_faces(*FACES[name])) for name, text in TEXTS.items()}


def subsets(utterance: Utterance) -> Iterator[tuple[Modality, Utterance]]:
    """Yield the utterance reduced to every subset of its modalities."""
    for subset in SUBSETS:
        yield subset, Utterance(
            text=utterance.text if Modality.TEXT in subset else None,
            audio=utterance.audio if Modality.AUDIO in subset else None,
            faces=utterance.faces if Modality.FACE in subset else None)


def digest(utterance: Utterance) -> str:
    """Return a hash of the utterance's words, samples and pixels."""
    assert utterance.text is not None
    assert utterance.audio is not None and utterance.faces is not None
    return hashlib.sha256(utterance.text.encode() + utterance.audio.astype('<i2').tobytes()
                          + utterance.faces.tobytes()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what computes the answers; '' for what is not installed."""
    found = {'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package).partition('+')[0]
        except PackageNotFoundError:
            found[package] = ''
    return found


def golden_answers(recognizer: Recognizer) -> dict[str, Any]:
    """Return the golden answers of a recogniser, as they are stored."""
    answers, inputs = [], golden_inputs()
    for name, utterance in inputs.items():
        for subset, part in subsets(utterance):
            estimate = recognizer.recognize(part)
            answers.append({
                'input': name, 'modalities': subset_name(subset), 'label': estimate.label,
                'logits': [round(float(value), 6) for value in estimate.logits]})
    return {'bundle': recognizer.config.name, 'hash': recognizer.bundle.content_hash,
            'versions': versions(), 'tolerance': TOLERANCE,
            'inputs': {name: digest(utterance) for name, utterance in inputs.items()},
            'answers': answers}


def differences(golden: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """
    Return a sentence for each answer that differs from the golden one.

    Logits may differ by the tolerance of the golden file, labels not at all.
    """
    def by_name(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        return {f'{a["modalities"]} of {a["input"]!r}': a for a in document['answers']}

    expected, found = by_name(golden), by_name(now)
    rows = [f'{name}: only in one of the two' for name in sorted(expected.keys() ^ found.keys())]
    for name in expected.keys() & found.keys():
        was, is_ = expected[name], found[name]
        most = float(np.abs(np.subtract(was['logits'], is_['logits'])).max())
        if not most <= golden['tolerance'] or was['label'] != is_['label']:
            rows.append(f'{name}: {was["label"]} -> {is_["label"]}, logits differ by {most:.2g}')
    return sorted(rows)


def explain(golden: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """
    Say why answers differ from the golden ones and what to do; '' if they do not differ.

    >>> golden = json.loads(GOLDEN.read_text())
    >>> explain(golden, golden)
    ''
    """
    rows = differences(golden, now)
    if not rows:
        return ''
    changed = [f'{name} {was or "(none)"} -> {now["versions"].get(name) or "(none)"}'
               for name, was in golden['versions'].items() if now['versions'].get(name) != was]
    if golden['hash'] != now['hash']:
        cause = ('The bundle has changed. If that is intended, renew the golden answers: '
                 'python -m tools.make_golden')
    elif golden['inputs'] != now['inputs']:
        cause = ('The synthetic inputs have changed, in tools/make_golden.py or in NumPy. If that '
                 'is intended, renew the golden answers: python -m tools.make_golden')
    elif changed:
        cause = (f'A dependency may have drifted: {", ".join(changed)}. Install the versions of '
                 'requirements.lock and test again. If the answers are right again, it was the '
                 'dependency: decide whether users may have it (setup.py), then renew the golden '
                 'answers: python -m tools.make_golden. If not, the code has changed them.')
    else:
        cause = ('Bundle, inputs and dependencies are those of the golden answers: the code has '
                 'changed them. If that is intended, renew them (python -m tools.make_golden) and '
                 'note the change in CHANGELOG.md.')
    return '\n'.join([f'{len(rows)} of {len(golden["answers"])} golden answers differ.', cause,
                      *rows])


def as_json(document: Mapping[str, Any]) -> str:
    """Return the document as JSON with an answer a line, so that a renewal shows in a diff."""
    answers = ',\n  '.join(json.dumps(answer) for answer in document['answers'])
    head = json.dumps({k: v for k, v in document.items() if k != 'answers'}, indent=1)
    return f'{head[:-2]},\n "answers": [\n  {answers}\n ]\n}}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the golden answers; 0 on success, 1 if they differ."""
    parser = argparse.ArgumentParser(prog='python -m tools.make_golden',
                                     description=__doc__.split('\n')[1])
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--out', type=Path, default=GOLDEN)
    parser.add_argument('--engine', choices=ENGINES, default=TORCH)
    parser.add_argument('--check', action='store_true', help='compare with the file')
    options = parser.parse_args(arguments)
    now = golden_answers(Recognizer.load(options.bundle, engine=options.engine))
    if options.check:
        text = explain(json.loads(options.out.read_text(encoding='utf-8')), now)
        print(text or f'{len(now["answers"])} golden answers agree')
        return int(bool(text))
    options.out.write_text(as_json(now), encoding='utf-8')
    print(f'{options.out}: {len(now["answers"])} answers')
    return 0


if __name__ == '__main__':
    sys.exit(main())
