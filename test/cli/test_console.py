# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the commands print of data is what the data hold, never markup or control codes."""

from __future__ import annotations

from io import StringIO

from hypothesis import given, settings
from hypothesis import strategies as st
from mmer_ros.cli.console import MAX_LINES, print_events, print_line, print_list
from mmer_ros.types import StreamEvent
from rich.console import Console


def console() -> Console:
    return Console(file=StringIO(), width=200, force_terminal=False)


def text_of(found: Console) -> str:
    assert isinstance(found.file, StringIO)
    return found.file.getvalue()


@settings(deadline=None)
@given(st.text(st.one_of(st.characters(codec='utf-8'), st.sampled_from('[]/=\\ab ')), max_size=60))
def test_any_text_is_printed_as_it_is_without_its_control_characters(text: str) -> None:
    found = console()
    print_line(found, text, 'note:', 'cyan')
    plain = ''.join(c for c in text if c.isprintable() or c in '\n\t').expandtabs(8)
    assert text_of(found).expandtabs(8).split() == ['note:', *plain.split()]


def test_escape_sequences_and_endless_names_do_not_reach_the_terminal() -> None:
    found = console()
    print_line(found, '\x1b[2J\x07' + 'x' * 5_000_000)
    assert '\x1b' not in text_of(found) and len(text_of(found)) < 3000


def test_a_long_list_ends_with_how_many_more_there_are() -> None:
    found = console()
    print_list(found, [f'fault [{i}]' for i in range(25)], 'left out:', 'bold', 'see summary.json')
    lines = text_of(found).splitlines()
    assert len(lines) == MAX_LINES + 1 and lines[0] == 'left out: fault [0]'
    assert lines[-1] == 'left out: 15 more; see summary.json'


def test_events_of_a_kind_are_printed_once_with_their_number() -> None:
    found = console()
    print_events(found, [StreamEvent('gap', 1.0, 'audio: [gap]'), StreamEvent('x', 2.0, 'y'),
                         StreamEvent('gap', 3.0, 'audio: another')])
    assert text_of(found).splitlines() == ['1.00 s: audio: [gap] (2 times)', '2.00 s: y']
