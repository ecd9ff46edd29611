# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `convert`: write a corpus as a manifest, to edit it or to combine it with others."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from training.commands.sources import add_source_arguments, read_source
from training.corpora.manifest import write_manifest
from training.preparation.report import problem_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    add_source_arguments(parser)
    parser.add_argument('output', type=Path, metavar='FILE.jsonl')


def run(options: argparse.Namespace) -> int:
    """Read the corpus and write the manifest; return the exit code."""
    console = Console(stderr=True)
    corpus = read_source(options)
    if corpus.problems:
        console.print(problem_table(corpus.problems))
    count = write_manifest(options.output, corpus.examples)
    console.print(f'wrote {count} examples to {options.output}', highlight=False)
    return 0
