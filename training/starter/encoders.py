"""The three encoders of the starter bundle: trained, or taken up from runs that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmer_ros.types import InvalidInput, MODALITIES, Modality
from training.audio import AudioConfig, train_audio
from training.commands.prepare import prepare
from training.corpora.corpus import Corpus
from training.corpora.digest import digest_of
from training.corpora.examples import Example
from training.corpora.fer import Stills
from training.corpora.ravdess import read_ravdess
from training.encoders import TrainedEncoder
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.preparation.cache_format import INFO
from training.preparation.clip_cache import ClipCache
from training.starter.recipe import StarterRecipe
from training.stills.stage import StillsConfig, train_stills
from training.text.stage import TextConfig, train_text


def voices(folder: Path, output: Path, reporter: Reporter) -> ClipCache:
    """Return the clips of RAVDESS: a cache of `prepare`, or one that is made now."""
    if not (folder / INFO).is_file():
        reporter.console.print(f'{output}: decoding {folder}', highlight=False)
        prepare(read_ravdess(folder), output)
        folder = output
    return ClipCache(folder)


def encoders(recipe: StarterRecipe, given: Mapping[Modality, Path | None], meld: list[Example],
             goemotions: Corpus, clips: ClipCache, stills: Stills, output: Path,
             reporter: Reporter) -> dict[Modality, TrainedEncoder]:
    """
    Return the encoders; those that are not given are trained, or trained on, in `output`.

    :param given: runs that hold a finished encoder.
    """
    found = {m: TrainedEncoder.load(path, m) for m, path in given.items() if path is not None}
    for modality in (m for m in MODALITIES if m not in found):
        name = str(modality.name).lower()
        folder, told = output / name, reporter.named(name)
        if modality is Modality.TEXT:
            RunFolder(folder).learns_from({'corpus': digest_of(meld),
                                           'extra': [digest_of(goemotions.examples)]})
            found[modality] = train_text(load_settings(TextConfig, recipe.text), meld,
                                         [goemotions.examples], folder, told)
        elif modality is Modality.AUDIO:
            RunFolder(folder).learns_from({'corpus': digest_of(clips.examples),
                                           'clips': clips.info.source})
            found[modality] = train_audio(load_settings(AudioConfig, recipe.audio), clips, folder,
                                          told)
        else:
            RunFolder(folder).learns_from({'stills': stills.digest})
            found[modality] = train_stills(load_settings(StillsConfig, recipe.face), stills,
                                           folder, told)
    if found[Modality.TEXT].tokenizer is None:
        raise InvalidInput('the text encoder has no tokenizer; train it with `train text`')
    return found
