# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Corpora of the commands: named by an option, or recognised by their files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmer_ros.types import InvalidInput
from training.corpora.clips import Clips, TextOnly
from training.corpora.corpus import Corpus
from training.corpora.examples import Example
from training.corpora.fer import is_fer2013, read_fer2013
from training.corpora.goemotions import read_goemotions
from training.corpora.manifest import read_manifest
from training.corpora.meld import read_meld
from training.corpora.ravdess import read_ravdess
from training.preparation.clip_cache import ClipCache


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_source` takes."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--meld', type=Path, metavar='DIR',
                        help='MELD as published: CSV files and, below it, the unpacked clips')
    source.add_argument('--goemotions', type=Path, metavar='DIR',
                        help='GoEmotions grouped to Ekman: train.tsv ... and labels.txt')
    source.add_argument('--ravdess', type=Path, metavar='DIR',
                        help='speech clips of RAVDESS: Actor_01/ ...; actors 17-20 are dev')
    source.add_argument('--manifest', type=Path, metavar='FILE',
                        help='any corpus as JSON lines; see training/corpora/manifest.py')


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
    if options.ravdess:
        return read_ravdess(options.ravdess)
    return read_manifest(options.manifest)


def read_clips(path: Path) -> Clips:
    """
    Return a cache, the faces of FER2013, or the text alone of another corpus.

    :raises InvalidInput: if the path is none of these.
    """
    if (path / 'cache.json').is_file():
        return ClipCache(path)
    if is_fer2013(path):
        return read_fer2013(path)
    return TextOnly(read_corpus(path))


def read_corpus(path: Path) -> Sequence[Example]:
    """
    Return the examples of a cache, a folder of MELD or GoEmotions, or a manifest.

    :raises InvalidInput: if the path is none of these.
    """
    if path.is_file():
        return read_manifest(path).examples
    if (path / 'cache.json').is_file():
        return ClipCache(path).examples
    if (path / 'labels.txt').is_file():
        return read_goemotions(path).examples
    if path.is_dir():
        return read_meld(path, clips=False).examples
    raise InvalidInput(f'corpus {path}: there is no such file or folder; give a cache of '
                       '`prepare`, a folder of MELD or GoEmotions, or a manifest')
