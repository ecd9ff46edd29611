"""
Command `starter`: the bundle that ships, from its data to its card.

Encoders, compositions, fusion, temperatures, checks, bundle. The same command goes on where it
was stopped; what is finished is kept. Encoders that are trained already may be given.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput, MODALITIES, Modality, subset_name
from rich.console import Console
from training.augment.views import CUT, cut_to_speech, Views
from training.corpora.cremad_votes import read_votes
from training.corpora.examples import DEV
from training.corpora.fer import read_fer2013
from training.corpora.goemotions import read_goemotions
from training.corpora.meld import read_meld
from training.corpora.ravdess import actor_of
from training.encoders.audio.stage import AudioConfig
from training.encoders.face.stills_stage import StillsConfig
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.pairs.human_votes import check_perception
from training.release import encoders as encoder_stage
from training.release import sanity_checks as sanity
from training.release.build import build_fusion, Fused, Material
from training.release.build import figures as fusion_figures
from training.release.bundle import by_sex, counted, data_of, parameters, release
from training.release.fusion_data import face_material, text_material, voice_material, whose
from training.release.recipe import StarterRecipe
from training.release.robustness_curves import curves, measured
from training.release.seed_variance import by_seed
from training.release.sources import Sources

FOLDERS = {'meld': 'meld', 'goemotions': 'goemotions_ekman', 'ravdess': 'ravdess',
           'fer': 'fer2013', 'cremad': 'cremad_votes', 'units': 'ravdess_au', 'people': 'grid'}
SEVERAL = {'text': 'texts', 'audio': 'voices', 'face': 'faces'}
Encoders = dict[Modality, TrainedEncoder]
NEEDED = ('meld', 'goemotions', 'ravdess', 'fer', 'cremad')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--data', type=Path, metavar='ROOT', help=(
        f'folder with {", ".join(FOLDERS.values())}; or each of them by its own option'))
    for name in FOLDERS:
        parser.add_argument(f'--{name}', type=Path, metavar='DIR')
    for modality in ('text', 'audio', 'face'):
        parser.add_argument(f'--{modality}', type=Path, metavar='RUN', help=(
            f'finished run of `train {modality}`; without it is trained'))
    for modality, kind in SEVERAL.items():
        own = '; default: the members of that of --audio' if modality == 'audio' else ''
        parser.add_argument(f'--{kind}', type=Path, nargs='+', default=[], metavar='RUN', help=(
            f'runs of `train {modality}` that differ in the seed: the card tells how they '
            f'do{own}'))
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--bundle', type=Path, metavar='FOLDER',
                        help='the bundle is written here (default: OUTPUT/starter)')
    parser.add_argument('--no-pairs', dest='pairs', action='store_false',
                        help='leave out the check on voice and action units, five short trainings')
    parser.add_argument('--recipe', default='starter/fusion', metavar='NAME|FILE')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE')


def run(options: argparse.Namespace) -> int:
    """Make the bundle; return the exit code."""
    console = Console(stderr=True)
    paths = _paths(options)
    recipe = load_settings(StarterRecipe, options.recipe, options.settings)
    work = _Work(recipe, paths, options, Reporter('starter', console))
    bundle = work.bundle()
    target = options.bundle or options.output / 'starter'
    bundle.save(target)
    console.print(f'written: {target}, {work.megabytes(target):.1f} MB, hash '
                  f'{bundle.content_hash[:12]}', highlight=False)
    return 0


def _paths(options: argparse.Namespace) -> dict[str, Path]:
    paths = {}
    for name, folder in FOLDERS.items():
        path = getattr(options, name) or (options.data / folder if options.data else None)
        if path is not None and path.is_dir():
            paths[name] = path
        elif name in NEEDED or getattr(options, name):
            raise InvalidInput(f'starter: --{name}: {path or "it is not given"}; give the folder '
                               'that the data lie in, or --data with all of them')
    return paths


class _Work:
    """All stages, one after the other."""

    def __init__(self, recipe: StarterRecipe, paths: dict[str, Path],
                 options: argparse.Namespace, reporter: Reporter) -> None:
        self.paths, self.options, self.reporter = paths, options, reporter
        self.output: Path = options.output
        self.states = self.output / 'states'  # of the voice's teacher, for all who learn from it
        self.votes = read_votes(paths['cremad'])
        self.perception = check_perception(self.votes)
        self.recipe = recipe.with_rule(self.perception.rule)
        self.sources = Sources(
            read_meld(paths['meld'], ('train', 'dev'), clips=False).examples,
            read_goemotions(paths['goemotions']),
            encoder_stage.voices(paths['ravdess'], self.output / 'ravdess', reporter),
            read_fer2013(paths['fer']))
        self.several = {m: [TrainedEncoder.load(run, m) for run in getattr(options, name)]
                        for m, name in ((m, SEVERAL[subset_name(m)]) for m in MODALITIES)}

    def bundle(self) -> Any:
        """Do what is not done yet; return the bundle."""
        options, fusion = self.options, self.recipe.fusion
        given = {m: TrainedEncoder.load(path, m) for m in MODALITIES
                 if (path := getattr(options, subset_name(m)))}
        trained = encoder_stage.encoders(self.recipe, given, self.sources, self.output,
                                         self.states, self.reporter)
        material = self.material(self.sources)
        fused = self.fused(trained, material, self.output)
        found = self.figures(trained, fused, material)
        if self.recipe.everything:
            trained, fused = self.of_everything(trained, fused)
        draft = release('starter', trained, fused, fusion, found)
        found['sanity'] = sanity.gather(Recognizer(draft, prior='meld'), self.paths.get('people'))
        write_file(self.output / 'figures.json', json.dumps(found, indent=2).encode())
        return release('starter', trained, fused, fusion, found)

    def fused(self, trained: Encoders, material: dict[Modality, Material], folder: Path,
              measured: Fused | None = None) -> Fused:
        """Teach the fusion."""
        return build_fusion(self.recipe.fusion, self.recipe.trust(self.perception.rule), trained,
                            material, folder, self.reporter, measured=measured)

    def of_everything(self, trained: Encoders, measured: Fused) -> tuple[Encoders, Fused]:
        """Train encoders on what was held out, too, and teach the fusion anew with them."""
        folder, sources = self.output / 'everything', self.sources.everything()
        kept = {m: e for m, e in trained.items() if subset_name(m) not in self.recipe.everything}
        final = encoder_stage.encoders(self.recipe, kept, sources, folder, self.states,
                                       self.reporter)
        return final, self.fused(final, self.material(sources), folder, measured)

    def material(self, sources: Sources) -> dict[Modality, Material]:
        """Return what compositions are made of."""
        config = self.recipe.materials
        speech = load_settings(AudioConfig, self.recipe.audio).data.speech
        faces = load_settings(StillsConfig, self.recipe.face).data.augment
        return {Modality.TEXT: text_material(sources.meld, sources.goemotions.examples, config),
                Modality.AUDIO: voice_material(sources.clips, config, speech),
                Modality.FACE: face_material(sources.stills, faces, config)}

    def figures(self, trained: Encoders, fused: Fused,
                material: dict[Modality, Material]) -> dict[str, Any]:
        """Return all that the card tells."""
        actors = {e.key: actor_of(e) for e in self.sources.clips.examples}
        groups = {Modality.TEXT: whose(material[Modality.TEXT], lambda e: e.group),
                  Modality.AUDIO: whose(material[Modality.AUDIO], lambda e: e.speaker),
                  Modality.FACE: whose(material[Modality.FACE], lambda e: e.key)}
        found = fusion_figures(fused, self.recipe.fusion, groups)
        found |= {'by_sex': by_sex(fused, self.recipe.fusion, actors),
                  'parameters': parameters(trained, fused), 'data': self.counts(),
                  'trust': self.recipe.trust(self.perception.rule).model_dump(),
                  'curves': self.curves(trained, fused, material),
                  'voices': self.voices(trained), 'seeds': self.seeds(trained, material),
                  'everything': list(self.recipe.everything), 'pairs': self.pairs()}
        return found

    def curves(self, trained: Encoders, fused: Fused,
               material: dict[Modality, Material]) -> list[dict[str, Any]]:
        """Return what the bundle is worth under worse conditions."""
        return [measured(curve, trained[curve.modality], fused, self.recipe.fusion,
                         self.output / 'features', self.reporter)
                for curve in curves(material[Modality.TEXT].held_out, self.sources.clips,
                                    self.sources.stills, material[Modality.TEXT].learned[0])]

    def voices(self, trained: Encoders) -> dict[str, list[float]]:
        """Return what the audio encoder is worth, then single ones of several seeds."""
        run = self.options.audio or self.output / 'audio'
        singles = self.several[Modality.AUDIO] or [
            TrainedEncoder.load(each, Modality.AUDIO)
            for each in sorted((run / 'members').glob('*'))]
        asked = [trained[Modality.AUDIO], *singles]
        return {name: by_seed(asked, clips, self.output / 'features', self.reporter)
                for name, clips in (
                    ('whole', Views(self.sources.clips, {DEV: (0,)})),
                    ('cut', cut_to_speech(self.sources.clips, {DEV: (CUT,)})))}

    def seeds(self, trained: Encoders, material: dict[Modality, Material]
              ) -> dict[str, list[float]]:
        """Return what text and face are worth, then those of other seeds, if some are given."""
        return {subset_name(m): by_seed([trained[m], *self.several[m]], material[m].held_out,
                                        self.output / 'features', self.reporter)
                for m in (Modality.TEXT, Modality.FACE) if self.several[m]}

    def pairs(self) -> dict[str, Any]:
        """Return the checks on real pairs."""
        votes = {'clips': len(self.votes.actors),
                 'actors': len(set(self.votes.actors.tolist())),
                 'rules': self.perception.figures(), 'leads': self.perception.leads(),
                 'rule': asdict(self.perception.rule)}
        found: dict[str, Any] = {'votes': votes}
        if 'units' in self.paths and self.options.pairs:
            from training.evaluation.pairs.voice_folds import check_signals

            found['signals'] = check_signals(
                self.paths['units'], self.sources.clips, self.output / 'voices',
                load_settings(AudioConfig, self.recipe.fold_voice), self.recipe.pairs,
                self.output / 'pairs', self.reporter.named('pairs'))
        return found

    def counts(self) -> dict[str, dict[str, str]]:
        """Return what was learnt from and what was held out."""
        def both(examples: Any) -> tuple[int, int]:
            return counted(examples, 'train'), counted(examples, 'dev')

        (text, text_dev), (voice, voice_dev), (face, face_dev) = map(
            both, (self.sources.meld, self.sources.clips.examples, self.sources.stills.examples))
        extra = counted(self.sources.goemotions.examples, 'train')
        return data_of({
            'text': (f'MELD train, {text} utterances; GoEmotions train, {extra} comments',
                     f'MELD dev, {text_dev} utterances'),
            'audio': (f'RAVDESS, {voice} clips', f'RAVDESS, {voice_dev} clips of other actors'),
            'face': (f'FER2013, {face} pictures', f'FER2013 public test, {face_dev} pictures')})

    @staticmethod
    def megabytes(folder: Path) -> float:
        """Return the size of a folder."""
        return sum(path.stat().st_size for path in folder.iterdir()) / 1e6
