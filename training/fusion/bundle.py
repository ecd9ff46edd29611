"""From three trained encoders to a bundle: features, fusion, temperatures, card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmer_ros.bundle import Bundle
from mmer_ros.metrics import score
from mmer_ros.types import subset_name, SUBSETS
from training.encoders import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.assemble import assemble
from training.fusion.calibration import fit_temperatures
from training.fusion.features import make_features
from training.fusion.predictor import FusionPredictor
from training.fusion.stage import FusionRecipe, train_fusion
from training.preparation.clip_cache import ClipCache


def train_bundle(recipe: FusionRecipe, text: TrainedEncoder, audio: TrainedEncoder,
                 face: TrainedEncoder, cache: ClipCache, folder: Path, reporter: Reporter,
                 name: str) -> Bundle:
    """
    Train the fusion on a corpus and return the calibrated bundle.

    :param folder: of the run; the features lie in it, too.
    """
    encoders = assemble(name, text, audio, face, recipe.fusion)
    features = make_features(encoders, cache, folder / 'features', reporter,
                             splits=('train', 'dev'))
    network = train_fusion(recipe, features, cache.examples, folder, reporter)
    dev = [e for e in cache.examples if e.split == 'dev']
    raw = FusionPredictor(name, network, features, dev, trust=recipe.trust)
    temperatures = fit_temperatures(raw)
    calibrated = FusionPredictor(name, network, features, dev, trust=recipe.trust,
                                 temperatures=temperatures)
    figures = dev_figures(calibrated)
    return assemble(
        name, text, audio, face, recipe.fusion, network=network, temperatures=temperatures,
        trust=recipe.trust, card=card(name, figures),
        training={'dev': figures, 'recipe': recipe.model_dump(mode='json'),
                  'encoders': {'text': dict(text.facts), 'audio': dict(audio.facts),
                               'face': dict(face.facts)}})


def dev_figures(predictor: FusionPredictor) -> dict[str, dict[str, float]]:
    """Return scores on the dev split by subset of modalities."""
    figures = {}
    for subset in SUBSETS:
        answers = predictor.predict(subset)
        if len(answers.keys):
            scores = score(answers.labels, answers.probabilities)
            figures[subset_name(subset)] = {
                'examples': scores.count, 'accuracy': scores.accuracy,
                'weighted_f1': scores.weighted_f1, 'ece': scores.ece}
    return figures


def card(name: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the model card: what was measured, and on what."""
    rows = [f'| {subset} | {f["examples"]} | {100 * f["accuracy"]:.1f} | '
            f'{100 * f["weighted_f1"]:.1f} | {100 * f["ece"]:.1f} |'
            for subset, f in figures.items()]
    return '\n'.join([
        f'# {name}', '', 'Scores on the dev split, which also chose the weights and fitted the '
        'temperatures; they flatter. All in %.', '',
        '| given | examples | accuracy | weighted F1 | ECE |', '|---|---|---|---|---|', *rows, ''])
