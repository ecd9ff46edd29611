"""The figures of a replay's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

from mmer_ros.evaluation.utterances import spread
from mmer_ros.profiling import FACE_DETECTION
from mmer_ros.replay.stages import bin_of, BINS_PER_DECADE
from mmer_ros.report.svg import Plot
from mmer_ros.types import EMOTIONS
import numpy as np

BINS = 10  # of the confidence
MIN_BIN = 5  # answers, below which the accuracy of a bin is chance
TIMES = {-4: '0.1 ms', -3: '1 ms', -2: '10 ms', -1: '0.1 s', 0: '1 s', 1: '10 s', 2: '100 s'}

Row = Mapping[str, Any]


def confidence_plot(pairs: Sequence[Row]) -> Plot:
    """
    Draw how many answers of each confidence are right and wrong, and the share that is right.

    :param pairs: of Evaluation.pairs with a known label, at least one.
    """
    sure = np.array([pair['confidence'] for pair in pairs])
    right = np.array([bool(pair['correct']) for pair in pairs])
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    good = np.bincount(place[right], minlength=BINS)
    bad = np.bincount(place[~right], minlength=BINS)
    plot = Plot(560, 320, (0, 1), (0, 1), 'Confidence against correctness', (48, 10, 14, 44))
    marks = [0, .25, .5, .75, 1]
    plot.axes(marks, marks, 'confidence, %', 'share that is right, %',
              lambda value: f'{100 * value:.0f}')
    scale = .42 / max(1, int((good + bad).max()))
    for index in np.flatnonzero(good + bad):
        left, end = index / BINS + .008, (index + 1) / BINS - .008
        name = f'confidence {100 * index / BINS:.0f} to {100 * (index + 1) / BINS:.0f} %'
        top = float(good[index] * scale)
        if good[index]:
            plot.bar((left, 0), (end, top), 'right', f'{name}: {good[index]} right')
        if bad[index]:
            plot.bar((left, top), (end, top + float(bad[index] * scale)), 'wrong',
                     f'{name}: {bad[index]} wrong')
    plot.line([(0, 0), (1, 1)], 'ideal')
    filled = [i for i in range(BINS) if good[i] + bad[i] >= MIN_BIN]
    points = [(float(sure[place == i].mean()), float(right[place == i].mean())) for i in filled]
    plot.line(points, 'mid')
    for (x, y), index in zip(points, filled, strict=True):
        plot.dot((x, y), 'strong', f'mean confidence {100 * x:.0f} %: {100 * y:.0f} % right, '
                 f'{good[index] + bad[index]} answers', 3.5)
    return plot


def confusion(pairs: Sequence[Row]) -> str:
    """Return the confusion matrix as a table: rows truth, columns answer."""
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    for pair in pairs:
        counts[EMOTIONS.index(pair['label']['emotion']), EMOTIONS.index(pair['estimate'])] += 1
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    head = ''.join(f'<th>{name}</th>' for name in EMOTIONS)
    rows = []
    for truth, name in enumerate(EMOTIONS):
        cells = ''.join(
            f'<td class="{"hit " if truth == answer else ""}{"deep" if share > .55 else ""}" '
            f'style="--v:{100 * share:.1f}%" title="{name}, answered {EMOTIONS[answer]}: '
            f'{counts[truth, answer]} of {counts[truth].sum()}">'
            + (f'{100 * share:.0f}<small>{counts[truth, answer]}</small>'
               if counts[truth, answer] else '') + '</td>'
            for answer, share in enumerate(shares[truth]))
        rows.append(f'<tr><th>{name}</th>{cells}</tr>')
    return (f'<div class="scroll"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def stage_counts(run: Row, latencies: Sequence[float]) -> list[tuple[str, str, dict[int, int]]]:
    """
    Return name, kind and histogram of each time that makes up the latency, as bins of `bin_of`.

    :param run: what run.json holds, of a replay that was timed.
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
    plot.axes(range(low, high + 1), [], '', '', lambda value: TIMES.get(int(value), ''))
    for place, (name, kind, counts) in enumerate(rows):
        most = max(counts.values())
        base = place + .92
        plot.text(148, plot.at_y(place + .62), name, 'end strong')
        y = plot.at_y(base)
        plot.add(f'<path class="base" d="M{plot.box[0]:.1f} {y:.1f}H{plot.box[2]:.1f}"/>')
        for number, count in sorted(counts.items()):
            left = number / BINS_PER_DECADE
            plot.bar((left + .006, base), (left + 1 / BINS_PER_DECADE - .006,
                                           base - .74 * count / most), kind,
                     f'{name}: {count} of {sum(counts.values())} within '
                     f'{_time(10 ** left)} to {_time(10 ** (left + 1 / BINS_PER_DECADE))}')
        plot.text(plot.box[2] + 10, plot.at_y(place + .62),
                  f'{_time(_quantile(counts, .5))} / {_time(_quantile(counts, .95))}', 'strong')
    return plot


def _quantile(counts: Mapping[int, int], share: float) -> float:
    """Return a quantile as the histogram has it, seconds."""
    numbers = sorted(counts)
    passed = np.cumsum([counts[number] for number in numbers])
    index = int(np.searchsorted(passed, share * passed[-1] - 1e-9))
    return float(10 ** ((numbers[index] + .5) / BINS_PER_DECADE))


def _time(seconds: float) -> str:
    if seconds < .01:
        return f'{1000 * seconds:.1f} ms'
    return f'{1000 * seconds:.0f} ms' if seconds < 1 else f'{seconds:.1f} s'


def latency_plot(latencies: Sequence[float]) -> Plot:
    """Draw how late the answers would come, seconds; at least one value."""
    edges = np.linspace(0, max(latencies) * 1.0001 or .1, 25)
    counts, _ = np.histogram(latencies, edges)
    step = 10 ** math.floor(math.log10(max(edges[-1], 1e-3)))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if edges[-1] / s <= 8)
    plot = Plot(560, 230, (0, float(edges[-1])), (0, float(counts.max()) * 1.08),
                'Latency of the utterances', (48, 12, 14, 44))
    marks = [step * i for i in range(int(edges[-1] / step) + 1)]
    most = int(counts.max())
    plot.axes(marks, sorted({0, round(most / 2), most}), 'latency, s', 'utterances')
    for left, right, count in zip(edges, edges[1:], counts):
        if count:
            plot.bar((float(left) + edges[-1] * .002, 0), (float(right), float(count)), 'late',
                     f'{left:.2f} to {right:.2f} s: {count}')
    found = spread(latencies)
    assert found is not None
    for name, kind in (('p50', 'mid'), ('p95', 'late')):
        plot.line([(found[name], 0), (found[name], float(counts.max()) * 1.08)], kind)
    return plot
