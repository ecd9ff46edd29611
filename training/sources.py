"""Which corpus a command reads: --meld, --goemotions or --manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.corpus import Corpus
from training.goemotions import read_goemotions
from training.manifest import read_manifest
from training.meld import read_meld


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_source` takes."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--meld', type=Path, metavar='DIR',
                        help='MELD as published: CSV files and, below it, the unpacked clips')
    source.add_argument('--goemotions', type=Path, metavar='DIR',
                        help='GoEmotions grouped to Ekman: train.tsv ... and labels.txt')
    source.add_argument('--manifest', type=Path, metavar='FILE',
                        help='any corpus as JSON lines; see training/manifest.py')


def read_source(options: argparse.Namespace, *, clips: bool = True) -> Corpus:
    """
    Read the corpus that was chosen.

    :param clips: look for the clips of MELD.
    :raises InvalidInput: if it cannot be read at all.
    """
    if options.meld:
        return read_meld(options.meld, clips=clips)
    if options.goemotions:
        return read_goemotions(options.goemotions)
    return read_manifest(options.manifest)
