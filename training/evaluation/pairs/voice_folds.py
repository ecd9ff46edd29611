"""Audio encoders of folds of RAVDESS, each of which has not seen the actors that it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer_ros.networks.batching import as_float
from mmer_ros.types import EMOTIONS, Int16, InvalidInput, Modality, SAMPLE_RATE
import numpy as np
from torch import Tensor
from training.augment.speech import speech_span
from training.corpora.examples import Example
from training.corpora.ravdess import actor_of
from training.corpora.ravdess_action_units import read_units, Units
from training.encoders.audio.stage import AudioConfig, train_audio
from training.encoders.trained_encoder import is_encoder, TrainedEncoder
from training.engine.progress import Reporter
from training.evaluation.pairs.judge import judge_signals
from training.evaluation.pairs.unseen_speakers import Asked, judge_strangers
from training.evaluation.pairs.voice_and_units import answer_fold, HeardFold, rows_of
from training.fusion.calibrated_posteriors import Answers
from training.fusion.distillation_stage import StarterFusion
from training.fusion.features import make_features
from training.fusion.unimodal_examples import make_parts
from training.preparation.clip_cache import ClipCache

FOLDS = 5
MARGIN_S = 0.15  # of what is kept around the speech
ASKED, HELD_OUT, FIT = 'test', 'dev', 'train'


def split_of(actor: int, fold: int) -> str:
    """
    Return what the clips of an actor, 1.., are for in a fold.

    Four actors of 20 are asked, two men and two women; a man and a woman of the next fold choose
    the weights and calibrate; 14 are learnt from.
    """
    place, number = (actor - 1) % FOLDS, (actor - 1) // FOLDS
    if place == fold:
        return ASKED
    return HELD_OUT if place == (fold + 1) % FOLDS and number < 2 else FIT


class FoldClips:
    """
    A cache whose examples are split for a fold; all else is the cache's.

    Their sound is cut to the speech, as voice activity does on the robot.
    """

    def __init__(self, cache: ClipCache, fold: int) -> None:
        """Split anew."""
        self._cache = cache
        self.examples: list[Example] = [
            replace(e, split=split_of(actor_of(e), fold)) for e in cache.examples]

    @property
    def digest(self) -> str:
        """Digest of what the sound depends on."""
        return f'{self._cache.info.source} {MARGIN_S}'

    def audio(self, key: str) -> Int16:
        """Return the speech of a clip with a little around it."""
        whole = self._cache.audio(key)
        assert whole is not None, key
        begin, end = speech_span(as_float(whole))
        margin = round(MARGIN_S * SAMPLE_RATE)
        return whole[max(0, begin - margin):end + margin]

    def __getattr__(self, name: str) -> Any:
        """Return what the cache has under this name."""
        return getattr(self._cache, name)


def train_voice(cache: ClipCache, fold: int, config: AudioConfig, folder: Path,
                reporter: Reporter) -> TrainedEncoder:
    """
    Train, go on training or load the audio encoder of a fold.

    The folds share what a teacher hears, which is beside their folders.
    """
    if is_encoder(folder):
        return TrainedEncoder.load(folder, Modality.AUDIO)
    clips: Any = FoldClips(cache, fold)
    return train_audio(config, clips, folder, reporter, states=folder.parent / 'states')


def hear(trained: TrainedEncoder, cache: ClipCache, fold: int, folder: Path,
         reporter: Reporter) -> HeardFold:
    """Return what an encoder makes of all clips; keys are those of the table of units."""
    clips: Any = FoldClips(cache, fold)
    splits = (FIT, HELD_OUT, ASKED)
    features = make_features({Modality.AUDIO: trained}, clips, folder, reporter, splits=splits)
    found: list[tuple[str, int, Tensor]] = [
        (unit_key(e), e.labels[0], features.get(e.key)[Modality.AUDIO])
        for e in clips.examples if e.key in features]
    parts = make_parts(trained, found)
    of: Mapping[str, frozenset[int]] = {split: frozenset(
        actor_of(e) for e in clips.examples if e.split == split) for split in splits}
    return HeardFold({p.key: p.features for p in parts}, {p.key: p.logits for p in parts},
                     of[HELD_OUT], of[ASKED])


def unit_key(example: Example) -> str:
    """Return how the table of units names a clip: Actor_01/03-01-01-01-01-01-01.flac."""
    name = Path(example.audio or example.key).stem
    return f'Actor_{actor_of(example):02d}/{name}.flac'


def check_signals(units_folder: Path, cache: ClipCache, runs: Path, voice: AudioConfig,
                  recipe: StarterFusion, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """
    Answer every clip by a fold that has not seen its actor, and judge the answers.

    :param runs: with the folders fold0, fold1, ... of the encoders; missing ones are trained.
    :param folder: of fusions and features; the same call goes on where it was stopped.
    """
    units = read_units(units_folder)
    units = _of_cache(units, cache)
    answers: dict[str, np.ndarray[Any, Any]] = {}
    asked: list[Asked] = []
    for fold in range(FOLDS):
        title = f'{reporter.title}, fold {fold}'
        trained = train_voice(cache, fold, voice, runs / f'fold{fold}', reporter.named(title))
        heard = hear(trained, cache, fold, folder / 'features', reporter)
        rows = rows_of(units, heard.asked)
        asked.append(Asked(Answers(np.stack([heard.logits[units.keys[i]] for i in rows]),
                                   units.labels[rows]), units.actors[rows]))
        for name, given in answer_fold(units, heard, recipe, folder / f'fold{fold}',
                                       reporter.named(title)).items():
            answers.setdefault(name, np.zeros((len(units.keys), len(EMOTIONS))))[rows] = given
    return {**judge_signals(answers, units.labels, units.actors),
            'strangers': judge_strangers(asked)}


def _of_cache(units: Units, cache: ClipCache) -> Units:
    """Return the units of the clips whose sound is there."""
    there = {unit_key(e) for e in cache.examples}
    rows = np.array([i for i, key in enumerate(units.keys) if key in there], np.int64)
    if not len(rows):
        raise InvalidInput('pairs: no clip of the action units is among the clips of RAVDESS; '
                           'give the folder with Actor_01/03-01-...flac')
    return Units([units.keys[i] for i in rows], units.values[rows], units.labels[rows],
                 units.actors[rows])
