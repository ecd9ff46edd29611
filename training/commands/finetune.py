# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `finetune`: a bundle learns from one's own recordings, and is compared with what it was.

The recordings are a cache of `prepare --manifest`, with `speaker` and `label` in each line. The
fusion is fine-tuned once for each fold of people and once on all; the card says whether it beat
the bundle that it began with on people that it had not learnt from. The same command resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import InvalidInput
from training.corpora.examples import SPLITS
from training.encoders.trained_encoder import encoders_of
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.fusion.features import make_features
from training.preparation.clip_cache import ClipCache
from training.release.finetuned_bundle import finetuned_bundle
from training.release.finetuning import FinetuneRecipe, recordings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--data', type=Path, required=True, metavar='CACHE',
                        help='cache of `prepare --manifest`')
    parser.add_argument('--base', default='starter', metavar='BUNDLE',
                        help='bundle to begin with, by name or folder (default: starter)')
    parser.add_argument('--output', type=Path, required=True, metavar='RUN',
                        help='folder of the runs; the same command resumes')
    parser.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                        help='folder of the new bundle')
    parser.add_argument('--recipe', default='finetune/default', metavar='NAME|FILE')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE',
                        help='settings over the recipe, e.g. folds=10')


def run(options: argparse.Namespace) -> int:
    """Fine-tune, compare and save the bundle; return the exit code."""
    recipe = load_settings(FinetuneRecipe, options.recipe, options.settings)
    cache, base = ClipCache(options.data), Bundle.load(options.base)
    reporter = Reporter('finetune')
    if cache.info.preprocessing.faces != base.config.faces:
        raise InvalidInput(
            f'cache {options.data}: its faces were found with other settings than those of the '
            f'bundle {base.config.name}; prepare it again with those that `mmer inspect --json '
            f'{options.base}` shows as faces, e.g. faces.rate_hz={base.config.faces.rate_hz:g}')
    features = make_features(encoders_of(base), cache, options.output / 'features', reporter,
                             splits=[s for s in SPLITS if any(e.split == s
                                                              for e in cache.examples)])
    bundle, said = finetuned_bundle(recipe, base, recordings_of(cache.examples, features),
                                    options.output, reporter, options.bundle.name)
    bundle.save(options.bundle)
    reporter.console.print(said, highlight=False, soft_wrap=True)
    reporter.console.print(f'written: {options.bundle}', highlight=False, soft_wrap=True)
    return 0
