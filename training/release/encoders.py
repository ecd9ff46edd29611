"""The three encoders of the starter bundle: trained, or taken up from runs that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmer_ros.types import InvalidInput, MODALITIES, Modality, subset_name
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


def voices(folder: Path, output: Path, reporter: Reporter) -> ClipCache:
    """Return the clips of RAVDESS: a cache of `prepare`, or one that is made now."""
    if not (folder / INFO).is_file():
        reporter.console.print(f'{output}: decoding {folder}', highlight=False)
        prepare(read_ravdess(folder), output)
        folder = output
    return ClipCache(folder)


def encoders(recipe: StarterRecipe, given: Mapping[Modality, TrainedEncoder], sources: Sources,
             output: Path, states: Path, reporter: Reporter) -> dict[Modality, TrainedEncoder]:
    """
    Return the encoders; those that are not given are trained, or trained on, in `output`.

    :param states: of the voice's teacher; see `train_audio`.
    :raises InvalidInput: if that of text has no tokenizer.
    """
    found = {m: given[m] if m in given else _trained(
        m, recipe, sources, output, states, reporter.named(subset_name(m))) for m in MODALITIES}
    if found[Modality.TEXT].tokenizer is None:
        raise InvalidInput('the text encoder has no tokenizer; train it with `train text`')
    return found


def _trained(modality: Modality, recipe: StarterRecipe, sources: Sources, output: Path,
             states: Path, reporter: Reporter) -> TrainedEncoder:
    """Train an encoder, or load it if it is done."""
    folder, extra = output / subset_name(modality), sources.goemotions.examples
    run = RunFolder(folder)
    if modality is Modality.TEXT:
        run.learns_from({'corpus': digest_of(sources.meld), 'extra': [digest_of(extra)]})
        train_text(load_settings(TextConfig, recipe.text), sources.meld, [extra], folder, reporter)
    elif modality is Modality.AUDIO:
        run.learns_from({'corpus': digest_of(sources.clips.examples),
                         'clips': sources.clips.info.source})
        train_audio(load_settings(AudioConfig, recipe.audio), sources.clips, folder, reporter,
                    states=states)
    else:
        run.learns_from({'stills': sources.stills.digest})
        train_stills(load_settings(StillsConfig, recipe.face), sources.stills, folder, reporter)
    return TrainedEncoder.load(folder, modality)  # with its recipe, which the bundle tells
