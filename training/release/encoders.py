# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The three encoders of the starter bundle: trained here, or given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmer_ros.types import InvalidInput, MODALITIES, Modality
from training.corpora.digest import digest_of
from training.corpora.ravdess import read_ravdess
from training.encoders.audio.stage import AudioConfig, train_audio
from training.encoders.face.stills_stage import StillsConfig, train_stills
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.preparation.cache_format import INFO
from training.preparation.clip_cache import ClipCache
from training.preparation.prepare import prepare
from training.release.recipe import StarterRecipe
from training.release.sources import Sources


def ravdess_clips(folder: Path, output: Path, reporter: Reporter) -> ClipCache:
    """Return the clips of RAVDESS from a cache of `prepare`, or prepare them in `output`."""
    if not (folder / INFO).is_file():
        reporter.console.print(f'{output}: decoding {folder}', highlight=False)
        prepare(read_ravdess(folder), output)
        folder = output
    return ClipCache(folder)


def starter_encoders(recipe: StarterRecipe, given: Mapping[Modality, TrainedEncoder],
                     sources: Sources, output: Path, states: Path, reporter: Reporter
                     ) -> dict[Modality, TrainedEncoder]:
    """
    Return the encoders; those that are not given are trained, or trained further, in `output`.

    :param states: folder of the voice teacher's states, as in `train_audio`.
    :raises InvalidInput: if the text encoder has no tokenizer.
    """
    found = {m: given[m] if m in given else _trained(
        m, recipe, sources, output / m.key, states, reporter.named(m.key)) for m in MODALITIES}
    if found[Modality.TEXT].tokenizer is None:
        raise InvalidInput('the text encoder has no tokenizer; train it with `train text`')
    return found


def _trained(modality: Modality, recipe: StarterRecipe, sources: Sources, folder: Path,
             states: Path, reporter: Reporter) -> TrainedEncoder:
    run, extra = RunFolder(folder), sources.goemotions.examples
    if modality is Modality.TEXT:
        run.record_data({'corpus': digest_of(sources.meld), 'extra': [digest_of(extra)]})
        train_text(load_settings(TextConfig, recipe.text), sources.meld, [extra], folder, reporter)
    elif modality is Modality.AUDIO:
        run.record_data({'corpus': digest_of(sources.clips.examples),
                         'clips': sources.clips.info.source})
        train_audio(load_settings(AudioConfig, recipe.audio), sources.clips, folder, reporter,
                    states=states)
    else:
        run.record_data({'stills': sources.stills.digest})
        train_stills(load_settings(StillsConfig, recipe.face), sources.stills, folder, reporter)
    return TrainedEncoder.load(folder, modality)  # with its recipe, for the bundle
