# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Learning curves, read from the metrics.jsonl of run folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any

from mmer_ros.types import InvalidInput

QUANTITIES = ('loss', 'weighted_f1')


@dataclass(frozen=True)
class LearningCurve:
    """
    One quantity of one split during a run.

    :param run: path of the run's folder, as it was given.
    :param quantity: 'loss' or 'weighted_f1'.
    :param points: step and value, by step; values that are not finite are left out.
    """

    run: str
    split: str
    quantity: str
    points: tuple[tuple[int, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(vars(self))


def read_learning_curves(run: Path) -> list[LearningCurve]:
    """
    Read the log of a run, JSON lines {"step", "split", "loss", "weighted_f1", ...}.

    An incomplete last line is left out; of several lines for a step the last counts.

    :param run: folder that holds metrics.jsonl.
    :raises InvalidInput: if there is no such file, or it holds something else.
    """
    path = run / 'metrics.jsonl'
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in _lines(path):
        for quantity in QUANTITIES:
            value = line.get(quantity)
            if isinstance(value, (int, float)) and math.isfinite(value):
                points = found.setdefault((str(line['split']), quantity), {})
                points[int(line['step'])] = float(value)
    return [LearningCurve(str(run), split, quantity, tuple(sorted(points.items())))
            for (split, quantity), points in found.items()]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding='utf-8')
    except OSError as error:
        raise InvalidInput(f'run {path.parent}: metrics.jsonl cannot be read '
                           f'({error.strerror}); give the folder of a run') from error
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            if not {'step', 'split'} <= values.keys():
                raise ValueError('no step or split')
            yield values
        except (ValueError, AttributeError) as error:
            if number == len(lines):
                return  # the run was killed while it wrote
            raise InvalidInput(f'{path}:{number}: it is no line of metrics ({error}); expected '
                               '{"step": ..., "split": ..., "loss": ...}') from error
