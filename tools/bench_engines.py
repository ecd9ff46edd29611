# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
ONNX Runtime against torch, in one run: CPU time of each network, of the start, and memory.

`python -m tools.bench_engines` prints ratios; they depend less on the machine than seconds do.
Everything runs on one thread, the engines in turn, and CPU time is counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import cv2
from facenet_pytorch import MTCNN
from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.onnx_graphs import ONNX, TORCH, use_threads
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import evidence_of, Increment
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.vad import FRAME_SAMPLES, SpeechProbability
from mmer_ros.types import Modality, SAMPLE_RATE, UInt8, Utterance
import numpy as np
from rich.console import Console
from rich.table import Table
import skimage.data
from tools.make_golden import golden_inputs

ENGINES = (ONNX, TORCH)
PUBLISHED = 'facenet-pytorch'  # its own detector, in torch
# What a client does until its first estimate, in a process of its own.
START = """
import json, resource
from mmer_ros import Pipeline, Recognizer
from mmer_ros.onnx_graphs import use_threads
use_threads(1)
recognizer = Recognizer.load({bundle!r}, engine={engine!r})
Pipeline(recognizer)
recognizer.warm_up()
used = resource.getrusage(resource.RUSAGE_SELF)
with open('/proc/self/statm') as file:
    pages = int(file.read().split()[1])
print(json.dumps([used.ru_utime + used.ru_stime, pages * resource.getpagesize() / 1e6]))
"""

Work = Callable[[], object]


def start(bundle: str, engine: str) -> tuple[float, float]:
    """Return CPU seconds from the start of a process to its first estimate, and its MB then."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', START.format(bundle=bundle, engine=engine)],
        capture_output=True, text=True, check=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def photograph() -> UInt8:
    """Return an image with one face, (360, 480, 3) uint8 RGB."""
    return np.asarray(cv2.resize(np.asarray(skimage.data.astronaut()), (480, 360),
                                 interpolation=cv2.INTER_AREA), np.uint8)


def jobs(recognizer: Recognizer) -> dict[str, Work]:
    """Return what is measured of an engine, by its name."""
    utterance = golden_inputs()['upset']
    assert utterance.audio is not None and utterance.faces is not None
    audio, crop = utterance.audio[:SAMPLE_RATE], utterance.faces[:1]
    image = photograph()
    probability = SpeechProbability(recognizer.sensing_engine)
    detector = make_detector(recognizer.config.faces, recognizer.device,
                             recognizer.sensing_engine)
    states = recognizer.encoders.start()
    recognizer.encoders.stream([Increment(states, evidence_of(utterance))])

    def stream(modality: Modality, *evidence: object) -> None:
        fresh = recognizer.encoders.start()
        for part in evidence:
            recognizer.encoders.stream([Increment(fresh, dict.fromkeys(Modality, None) | {
                modality: part})])

    return {
        'voice activity, a frame of 32 ms': lambda: probability(audio[:FRAME_SAMPLES]),
        'faces in an image of 480x360': lambda: detector.detect(image),
        'audio encoder, a second in parts': lambda: stream(
            Modality.AUDIO, *np.array_split(audio, 8)),
        'audio encoder, a second at once': lambda: stream(Modality.AUDIO, audio),
        'face encoder, a crop': lambda: stream(Modality.FACE, crop),
        'text of 11 words, alone': lambda: recognizer.recognize(Utterance(text=utterance.text)),
        'end of an utterance: text, GRU, fusion': lambda: recognizer.finish(
            [states], [DialogueContext()])}


def fastest(work: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Return the least CPU time of each in seconds; they take turns."""
    best = dict.fromkeys(work, float('inf'))
    for _ in range(rounds):
        for name, run in work.items():
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    return best


def measure(bundle: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return the measures by engine, by what was measured."""
    starts = {engine: start(bundle, engine) for engine in ENGINES}
    table = {'start to first estimate, CPU s': {e: starts[e][0] for e in ENGINES},
             'memory then, MB': {e: starts[e][1] for e in ENGINES}}
    use_threads(1)
    work = {engine: jobs(Recognizer.load(bundle, engine=engine)) for engine in ENGINES}
    use_threads(1)  # torch is imported by now
    for name in work[ONNX]:
        both = {engine: work[engine][name] for engine in ENGINES}
        if name.startswith('faces'):
            both[PUBLISHED] = partial(MTCNN(keep_all=True, min_face_size=36).eval().detect,
                                      photograph(), landmarks=True)
        table[f'{name}, ms'] = {engine: 1e3 * seconds
                                for engine, seconds in fastest(both, rounds).items()}
    return table


def main() -> int:
    """Print the table and save it as JSON."""
    parser = argparse.ArgumentParser(prog='python -m tools.bench_engines',
                                     description=__doc__.split('\n')[1])
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--rounds', type=int, default=30)
    options = parser.parse_args()
    measured = measure(options.bundle, options.rounds)
    console, table = Console(), Table(title=options.bundle, title_justify='left')
    for column in ('measure', ONNX, TORCH, f'{TORCH} / {ONNX}', f'{PUBLISHED} / {ONNX}'):
        table.add_column(column, justify='left' if column == 'measure' else 'right')
    for name, by_engine in measured.items():
        ratios = [f'{by_engine[other] / by_engine[ONNX]:.1f}' if other in by_engine else ''
                  for other in (TORCH, PUBLISHED)]
        table.add_row(name, *(f'{by_engine[engine]:.3g}' for engine in ENGINES), *ratios)
    console.print(table)
    file = Path('out/bench') / f'{options.bundle}-engines.json'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(measured, indent=2) + '\n')
    console.print(f'saved {file}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
