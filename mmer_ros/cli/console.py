# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Output of the commands: text from data is printed as it is, never as markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mmer_ros.types import StreamEvent
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

MAX_LINES = 10  # of one kind that are printed
MAX_CHARS = 2_000
WIDTH = 160  # characters of a table that goes to a file or a pipe


def escaped(text: object) -> str:
    r"""
    Return text from data as rich prints it unchanged, without control characters.

    >>> escaped('I [bold]mean[/bold] it\x1b[2J')
    'I \\[bold]mean\\[/bold] it[2J'
    """
    plain = ''.join(char for char in str(text) if char.isprintable() or char in '\n\t')
    if len(plain) > MAX_CHARS:
        plain = plain[:MAX_CHARS] + '...'
    return escape(plain)


def print_line(console: Console, text: str, word: str = '', style: str = '') -> None:
    """
    Print a line, not wrapped.

    :param text: from data.
    :param word: before it, in a style of rich.
    """
    before = f'[{style}]{word}[/] ' if word else ''
    console.print(before + escaped(text), highlight=False, soft_wrap=True)


def print_list(console: Console, texts: Sequence[str], word: str, style: str, more: str) -> None:
    """
    Print the first lines of a list, and how many more there are.

    :param more: where the others are, e.g. 'see summary.json'.
    """
    for text in texts[:MAX_LINES]:
        print_line(console, text, word, style)
    if len(texts) > MAX_LINES:
        print_line(console, f'{len(texts) - MAX_LINES} more; {more}', word, style)


def print_events(console: Console, events: Iterable[StreamEvent]) -> None:
    """Print the first event of each kind, and how often it came."""
    events = list(events)
    counts = Counter(event.kind for event in events)
    for kind, count in counts.items():
        first = next(event for event in events if event.kind == kind)
        often = f' ({count} times)' if count > 1 else ''
        print_line(console, f'{first.stamp:.2f} s: {first.text}{often}')


def to_stdout() -> Console:
    """Return where results are printed; tables are not squeezed where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def progress_in_seconds(console: Console) -> Progress:
    """Return a progress bar for work that is measured in seconds of a recording."""
    return Progress(TextColumn('{task.description}', markup=False), BarColumn(),
                    TextColumn('{task.completed:.1f} / {task.total:.1f} s'),
                    TimeRemainingColumn(), console=console, transient=True)
