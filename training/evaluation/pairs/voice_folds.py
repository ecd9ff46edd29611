# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Folds of RAVDESS, each with an audio encoder that has not seen its test actors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS, Int16, InvalidInput, Modality
import numpy as np
from training.augment.views import cut_to_speech
from training.corpora.clips import ClipsWrapper
from training.corpora.examples import DEV, Example, SPLITS, TEST, TRAIN
from training.corpora.ravdess import actor_of
from training.corpora.ravdess_action_units import read_units, Units
from training.encoders.audio.stage import AudioConfig, train_audio
from training.encoders.trained_encoder import is_encoder, TrainedEncoder
from training.engine.progress import Reporter
from training.evaluation.pairs.scores import score_pairs, score_unseen_speakers, UnseenSpeakers
from training.evaluation.pairs.voice_and_units import EncodedFold, predict_fold, rows_of
from training.fusion.calibrated_posteriors import LabelledLogits
from training.fusion.distillation_stage import DistilledFusionConfig
from training.fusion.features import make_features
from training.fusion.unimodal_examples import unimodal_examples
from training.preparation.clip_cache import ClipCache

FOLDS = 5
MARGIN_S = 0.15  # that is kept around the speech


def split_of(actor: int, fold: int) -> str:
    """
    Return the split of an actor, 1.., in a fold.

    Test: four actors of 20, two women and two men. Dev: a woman and a man of the next fold. Train:
    the other 14.
    """
    place, number = (actor - 1) % FOLDS, (actor - 1) // FOLDS
    if place == fold:
        return TEST
    return DEV if place == (fold + 1) % FOLDS and number < 2 else TRAIN


class FoldClips(ClipsWrapper):
    """A cache with the splits of a fold, its audio cut to the speech as on the robot."""

    def __init__(self, cache: ClipCache, fold: int) -> None:
        super().__init__(cache, [replace(e, split=split_of(actor_of(e), fold))
                                 for e in cache.examples], f'cut {MARGIN_S}')

    def audio(self, key: str) -> Int16:
        whole = self._clips.audio(key)
        assert whole is not None, key
        return cut_to_speech(whole, MARGIN_S)


def train_voice(cache: ClipCache, fold: int, config: AudioConfig, folder: Path,
                reporter: Reporter) -> TrainedEncoder:
    """
    Load, train or resume training the audio encoder of a fold.

    The folds share the states of the teacher, in a folder beside theirs.
    """
    if is_encoder(folder):
        return TrainedEncoder.load(folder, Modality.AUDIO)
    clips: Any = FoldClips(cache, fold)
    return train_audio(config, clips, folder, reporter, states=folder.parent / 'states')


def encode_fold(trained: TrainedEncoder, cache: ClipCache, fold: int, folder: Path,
                reporter: Reporter) -> EncodedFold:
    """Encode all clips; keys are those of the table of action units."""
    clips = FoldClips(cache, fold)
    features = make_features({Modality.AUDIO: trained}, clips, folder, reporter, splits=SPLITS)
    examples = unimodal_examples(trained, [
        (unit_key(e), e.labels[0], features.get(e.key)[Modality.AUDIO])
        for e in clips.examples if e.key in features])
    actors: Mapping[str, frozenset[int]] = {split: frozenset(
        actor_of(e) for e in clips.examples if e.split == split) for split in SPLITS}
    return EncodedFold({e.key: e.features for e in examples}, {e.key: e.logits for e in examples},
                       actors[DEV], actors[TEST])


def unit_key(example: Example) -> str:
    """Return the key of a clip in the table of units: Actor_01/03-01-01-01-01-01-01.flac."""
    name = Path(example.audio or example.key).stem
    return f'Actor_{actor_of(example):02d}/{name}.flac'


def check_signals(units_folder: Path, cache: ClipCache, runs: Path, voice: AudioConfig,
                  recipe: DistilledFusionConfig, folder: Path, reporter: Reporter
                  ) -> dict[str, Any]:
    """
    Predict every clip by a fold that has not seen its actor, and score the predictions.

    :param runs: with the folders fold0, fold1, ... of the encoders; missing ones are trained.
    :param folder: of fusions and features; the same call resumes.
    """
    units = _units_of(cache, read_units(units_folder))
    predicted: dict[str, np.ndarray[Any, Any]] = {}
    unseen: list[UnseenSpeakers] = []
    for fold in range(FOLDS):
        titled = reporter.named(f'{reporter.title}, fold {fold}')
        trained = train_voice(cache, fold, voice, runs / f'fold{fold}', titled)
        encoded = encode_fold(trained, cache, fold, folder / 'features', reporter)
        rows = rows_of(units, encoded.test)
        logits = np.stack([encoded.logits[units.keys[i]] for i in rows])
        unseen.append(UnseenSpeakers(LabelledLogits(logits, units.labels[rows]),
                                     units.actors[rows]))
        for name, each in predict_fold(units, encoded, recipe, folder / f'fold{fold}',
                                       titled).items():
            predicted.setdefault(name, np.zeros((len(units.keys), len(EMOTIONS))))[rows] = each
    return {**score_pairs(predicted, units.labels, units.actors),
            'unseen_speakers': score_unseen_speakers(unseen)}


def _units_of(cache: ClipCache, units: Units) -> Units:
    """Return the action units of the clips in the cache."""
    there = {unit_key(e) for e in cache.examples}
    rows = np.array([i for i, key in enumerate(units.keys) if key in there], np.int64)
    if not len(rows):
        raise InvalidInput('pairs: no clip of the action units is among the clips of RAVDESS; '
                           'give the folder with Actor_01/03-01-...flac')
    return Units([units.keys[i] for i in rows], units.values[rows], units.labels[rows],
                 units.actors[rows])
