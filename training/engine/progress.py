# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Progress of a run on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import math

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from training.engine.processes import rank


class Reporter:
    """
    Progress bar and messages of a run.

    :param title: of the run, e.g. 'text/finetune'.
    """

    def __init__(self, title: str, console: Console | None = None) -> None:
        self.title = title
        self.console = console or Console(stderr=True, quiet=rank() > 0)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._batches = 1

    def named(self, title: str) -> Reporter:
        """Return a reporter with another title on the same terminal."""
        return Reporter(title, self.console)

    @contextmanager
    def epochs(self, count: int, batches: int) -> Iterator[None]:
        """Show a bar over all epochs."""
        columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                   TextColumn('{task.fields[status]}'), TimeElapsedColumn(),
                   TimeRemainingColumn())
        self._batches = batches
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._task = self._bar.add_task(self.title, total=count * batches, status='')
            yield
        self._bar = None

    def advance(self, epoch: int, batch: int, loss: float) -> None:
        """Show that a batch is done, and the last known loss (NaN: none yet)."""
        if self._bar is not None and self._task is not None:
            status = '' if math.isnan(loss) else f'loss {loss:.3f}'
            self._bar.update(self._task, completed=epoch * self._batches + batch, status=status)

    def needs_memory(self, examples: int, needed: int, free: int | None) -> None:
        """
        Print the memory of a step before it is made, and a warning if there is not enough.

        :param examples: of the largest batch.
        :param needed: bytes, as of `memory_of_step`.
        :param free: bytes; None: unknown.
        """
        text = (f'{self.title}: a step on {examples} examples needs about '
                f'{needed / 1e9:.1f} GB of memory')
        if free is not None and needed > free:
            text += (f', more than the {free / 1e9:.1f} GB that there are; a smaller '
                     'engine.batch_size with a larger engine.accumulate learns the same with less')
        self.console.print(text, highlight=False, soft_wrap=True)

    def evaluated(self, epoch: int, weighted_f1: float, accuracy: float, rate: float,
                  waiting: float, over: float) -> None:
        """
        Print the dev scores of an epoch and its speed.

        :param rate: training examples per second.
        :param waiting: share of the time spent waiting for data, 0..1.
        :param over: as of Speed.over_network.
        """
        self.console.print(
            f'{self.title}: epoch {epoch + 1}, dev weighted F1 {weighted_f1:.3f}, accuracy '
            f'{accuracy:.3f}; {rate:.3g} examples/s, {100 * waiting:.0f} % waiting for data, '
            f'{100 * over:.0f} % over forward and backward',
            highlight=False, soft_wrap=True)
