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
from training.corpora.meld import check_clips, read_meld
from training.corpora.presets.registry import PRESETS
from training.corpora.presets.rows import read_preset
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
    source.add_argument('--corpus', nargs=2, metavar=('NAME', 'DIR'), help=(
        f'a published corpus as it is unpacked; names: {", ".join(PRESETS)}'))
    parser.add_argument('--labels', nargs='+', default=[], metavar='LABEL=EMOTION', help=(
        'changes to the label map of --corpus, e.g. fru=anger; fru= takes the emotion away'))
    parser.add_argument('--fold', type=int, metavar='N', help=(
        'of --corpus or --manifest: the test split; the fold before it is the dev split'))
    parser.add_argument('--allow-partial', action='store_true', help=(
        'go on although clips of MELD are missing'))


def read_source(options: argparse.Namespace, *, clips: bool = True) -> Corpus:
    """
    Read the corpus that was chosen.

    :param clips: look for the clips of MELD.
    :raises InvalidInput: if it cannot be read at all.
    """
    if options.fold is not None and not (options.corpus or options.manifest):
        raise InvalidInput('--fold: expected with --corpus or --manifest')
    if options.corpus:
        return _read_published(options)
    if options.meld:
        corpus = read_meld(options.meld, clips=clips)
        if clips:
            check_clips(corpus, options.meld, allow_partial=options.allow_partial)
        return corpus
    if options.goemotions:
        return read_goemotions(options.goemotions)
    if options.ravdess:
        return read_ravdess(options.ravdess)
    return read_manifest(options.manifest, options.fold)


def _read_published(options: argparse.Namespace) -> Corpus:
    name, folder = options.corpus
    if name not in PRESETS:
        raise InvalidInput(f'--corpus {name}: expected one of {", ".join(PRESETS)}; any other '
                           'corpus can be read as a --manifest')
    labels = {label.lower(): emotion for label, _, emotion in
              (change.partition('=') for change in options.labels)}
    return read_preset(name, PRESETS[name], Path(folder), labels=labels, fold=options.fold)


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
