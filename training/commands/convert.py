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
