# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages of `prepare`: disk space, content of the cache, problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
import shutil

from mmer_ros.networks.face_encoder import sample_evenly
from mmer_ros.recordings.media import duration
from mmer_ros.types import InvalidInput, SAMPLE_RATE
from rich.markup import escape
from rich.table import Table
from training.corpora.corpus import Problem
from training.corpora.examples import Example, SPLITS
from training.preparation.cache_format import ExampleRow, PrepareConfig

PROBED_CLIPS = 24
IMAGE_BYTES = {'jpeg': 11_000, 'png': 47_000}  # of a 160x160 photograph; jpeg at quality 95


@dataclass(frozen=True)
class Summary:
    """
    Content of a cache.

    :param kept: shards of earlier runs.
    :param made: shards of this run.
    """

    rows: Sequence[ExampleRow]
    problems: Sequence[Problem]
    kept: int
    made: int


def estimate_bytes(examples: Sequence[Example], config: PrepareConfig) -> int:
    """
    Estimate the size of a cache from the durations of some clips.

    It is an upper bound: every sampled image is assumed to show a face.
    """
    media = [e for e in examples if e.audio or e.video or e.faces]
    seconds = [s for e in sample_evenly(media, PROBED_CLIPS) if (s := _seconds(e)) is not None]
    if not seconds:
        return 0
    image = IMAGE_BYTES[config.image_format]
    each = [2 * SAMPLE_RATE * s + image * min(config.max_images, s * config.faces.rate_hz + 1)
            for s in seconds]
    return round(sum(each) / len(each) * len(media))


def _seconds(example: Example) -> float | None:
    path = example.video or example.audio
    try:
        return duration(path) if path else 0.0
    except InvalidInput:
        return None


def disk_space(examples: Sequence[Example], output: Path, config: PrepareConfig) -> str:
    """Return a sentence on the disk space that the cache needs and that is free."""
    needed = estimate_bytes(examples, config)
    place = next(p for p in (output, *output.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    warning = '; THIS MAY NOT BE ENOUGH' if free < needed else ''
    return (f'{len(examples)} examples; the cache needs at most about {_size(needed)}, '
            f'{_size(free)} are free{warning}')


def _size(count: float) -> str:
    return f'{count / 1e9:.1f} GB' if count >= 1e8 else f'{count / 1e6:.1f} MB'


def content_table(rows: Iterable[ExampleRow]) -> Table:
    """Return the content of each split."""
    table = Table('split', 'examples', 'labelled', 'with audio', 'hours', 'with faces', 'images')
    for column in table.columns[1:]:
        column.justify = 'right'
    by_split: dict[str, list[ExampleRow]] = {}
    for row in rows:
        by_split.setdefault(row.split, []).append(row)
    for split in (s for s in SPLITS if s in by_split):
        part = by_split[split]
        samples = sum(row.audio_samples for row in part)
        table.add_row(split, str(len(part)), str(sum(bool(row.labels) for row in part)),
                      str(sum(row.audio_samples > 0 for row in part)),
                      f'{samples / SAMPLE_RATE / 3600:.2f}',
                      str(sum(row.faces > 0 for row in part)), str(sum(row.faces for row in part)))
    return table


def problem_table(problems: Sequence[Problem]) -> Table:
    """Return the count and the first occurrence of each kind of problem."""
    table = Table('problem', 'count', 'first occurrence')
    table.columns[1].justify = 'right'
    first = {problem.kind: problem for problem in reversed(problems)}
    for kind, count in Counter(problem.kind for problem in problems).most_common():
        place = Path(first[kind].where).name
        table.add_row(kind, str(count), escape(f'{place}: {first[kind].text}'))
    return table
