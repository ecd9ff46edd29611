# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The figures that pages share, and those of a replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

from mmer_ros.evaluation.metrics import Reliability, reliability
from mmer_ros.evaluation.utterances import spread
from mmer_ros.profiling import FACE_DETECTION
from mmer_ros.replay.stages import bin_of, BINS_PER_DECADE
from mmer_ros.report.formats import duration
from mmer_ros.report.plot import Plot, ticks
from mmer_ros.types import EMOTIONS
import numpy as np

BINS = 10  # of the confidence
MIN_BIN = 5  # answers, below which the accuracy of a bin is chance

Row = Mapping[str, Any]


def pairs_plot(pairs: Sequence[Row], label: str = 'Confidence against correctness') -> Plot:
    """
    Draw how sure right and wrong answers were.

    :param pairs: of Evaluation.pairs, at least one with a known emotion.
    """
    known = [pair for pair in pairs if pair['correct'] is not None]
    return reliability_plot(reliability(
        np.array([EMOTIONS.index(pair['label']['emotion']) for pair in known]),
        np.array([list(pair['probabilities'].values()) for pair in known]), BINS), label)


def reliability_plot(found: Reliability, label: str, width: int = 560) -> Plot:
    """Draw the share of right answers against their confidence, above how many there are."""
    plot = Plot(width, round(.57 * width) if width > 400 else width, (0, 1), (0, 1), label)
    marks = [0, .25, .5, .75, 1]
    plot.axes(marks, marks, 'confidence, %', 'share that is right, %',
              lambda value: f'{100 * value:.0f}')
    scale = .3 / found.count.max()
    gap = 1 / plot.width
    for i in np.flatnonzero(found.count):
        left, end, count = found.edges[i] + gap, found.edges[i + 1] - gap, int(found.count[i])
        good = round(count * found.accuracy[i])
        name = f'confidence {100 * found.edges[i]:.0f} to {100 * found.edges[i + 1]:.0f} %'
        for low, high, kind in ((0, good, 'right'), (good, count, 'wrong')):
            if high > low:
                plot.bar((left, low * scale), (end, high * scale), kind,
                         f'{name}: {high - low} {kind}')
        if count >= MIN_BIN:
            plot.bar((left, found.accuracy[i]), (end, found.confidence[i]), 'gap')
    plot.line([(0, 0), (1, 1)], 'ideal')
    filled = np.flatnonzero(found.count >= MIN_BIN)
    points = [(float(found.confidence[i]), float(found.accuracy[i])) for i in filled]
    plot.line(points, 'mid')
    for i, point in zip(filled, points, strict=True):
        plot.dot(point, 'strong', f'mean confidence {100 * point[0]:.0f} %: {100 * point[1]:.0f} '
                 f'% right, {found.count[i]} answers', 3.5)
    return plot


def latency_plot(latencies: Sequence[float], label: str = 'Latency of the utterances') -> Plot:
    """Draw how late the answers would come, seconds; at least one value."""
    edges = np.linspace(0, max(latencies) * 1.0001 or .1, 25)
    counts, _ = np.histogram(latencies, edges)
    most, top = int(counts.max()), 1.08 * int(counts.max())
    plot = Plot(560, 230, (0, float(edges[-1])), (0, top), label)
    plot.axes(ticks(0, float(edges[-1]), 8), sorted({0, round(most / 2), most}), 'latency, s',
              'utterances')
    for left, right, count in zip(edges, edges[1:], counts):
        if count:
            plot.bar((float(left) + edges[-1] * .002, 0), (float(right), float(count)), 'late',
                     f'{left:.2f} to {right:.2f} s: {count}')
    found = spread(latencies) or {}
    for name, kind in (('p50', 'mid'), ('p95', 'late')):
        plot.line([(found[name], 0), (found[name], top)], kind)
    return plot


# -- time of each stage ---------------------------------------------------------------------


def stage_counts(run: Row, latencies: Sequence[float]) -> list[tuple[str, str, dict[int, int]]]:
    """
    Return name, kind and histogram of each time that makes up the latency, as bins of `bin_of`.

    :param run: the content of run.json, of a replay that was timed.
    :param latencies: waiting for the end of the utterance, seconds.
    """
    def histogram(values: Sequence[float]) -> dict[int, int]:
        bins = [bin_of(value) for value in values]
        return {number: bins.count(number) for number in set(bins)}

    finals = run.get('finals', [])
    rows = [('waiting for the end', 'wait', histogram(latencies))]
    images = run.get('face_detection_per_image', {}).get('counts', {})
    rows += [(f'{FACE_DETECTION}, an image', 'late', {int(k): n for k, n in images.items()})]
    names = list(finals[0]['stages_s']) if finals else []
    rows += [(name, 'late', histogram([f['stages_s'][name] for f in finals
                                       if f['stages_s'][name] > 0])) for name in names]
    rows += [('all computing', 'total', histogram([f['processing_s'] for f in finals]))]
    return [row for row in rows if row[2]]


def stage_plot(run: Row, latencies: Sequence[float]) -> Plot | None:
    """Draw a histogram of each stage, one below the other, over one axis of times."""
    rows = stage_counts(run, latencies)
    if not rows:
        return None
    used = [number for _, _, counts in rows for number in counts]
    low = math.floor(min(used) / BINS_PER_DECADE)
    high = max(math.ceil((max(used) + 1) / BINS_PER_DECADE), low + 1)
    plot = Plot(720, 30 + 46 * len(rows), (low, high), (len(rows), 0), 'Time of each stage',
                (158, 4, 150, 26))
    plot.axes(range(low, high + 1), [], shown=lambda decade: duration(10 ** decade))
    plot.rows([name for name, _, _ in rows])
    for place, (name, kind, counts) in enumerate(rows):
        most, base = max(counts.values()), place + .92
        plot.line([(low, base), (high, base)], 'base')
        for number, count in sorted(counts.items()):
            left, right = (n / BINS_PER_DECADE for n in (number, number + 1))
            plot.bar((left + .006, base), (right - .006, base - .74 * count / most), kind,
                     f'{name}: {count} of {sum(counts.values())} within '
                     f'{duration(10 ** left)} to {duration(10 ** right)}')
        plot.text(plot.box[2] + 10, plot.at_y(place + .5) + 4, ' / '.join(
            duration(_quantile(counts, share)) for share in (.5, .95)), 'strong')
    return plot


def _quantile(counts: Mapping[int, int], share: float) -> float:
    """Return a quantile as the histogram has it, seconds."""
    numbers = sorted(counts)
    passed = np.cumsum([counts[number] for number in numbers])
    index = int(np.searchsorted(passed, share * passed[-1] - 1e-9))
    return float(10 ** ((numbers[index] + .5) / BINS_PER_DECADE))
