"""From three encoders and clips of each modality to a calibrated fusion, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import score
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES, Modality, subset_name, SUBSETS
import numpy as np
from training.corpora.clips import Clips
from training.corpora.examples import split_view_key
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.calibrated_posteriors import Answers, Expert, fit_expert, FLAT, Floats
from training.fusion.distillation_stage import Own, StarterFusion, teach_fusion
from training.fusion.features import make_features
from training.fusion.pseudo_pairs import Teacher, Trust
from training.fusion.reliability_gates import fit_gates
from training.fusion.unimodal_examples import answers_of, Library, make_parts, NOTHING, Part
from training.release.scores import crossed, figures_of, fit_temperatures, subset_figures

SILENT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))  # one always shows neutral


@dataclass(frozen=True)
class Material:
    """
    Clips of one modality.

    :param learned: sets of clips whose train split makes the compositions that are learnt. Each
        set is a condition, numbered from 1: clips of the same kind in its dev split, which the
        encoder has not learnt from, get an expert of their own, so that what is taught of noise
        is as unsure as strangers in noise ask for. Without any, the expert is that of the clips
        as they are (condition 0).
    :param held_out: clips whose dev split the encoder has not learnt from: the figures are of
        these.
    :param calibration: more views of the same, which experts and temperatures are fitted on; None:
        `held_out`.
    """

    learned: Sequence[Clips]
    held_out: Clips
    calibration: Clips | None = None


@dataclass(frozen=True)
class Fused:
    """
    A taught fusion.

    :param experts: what the encoders' own classifiers say, calibrated on the held-out clips, by
        the number of the condition.
    :param temperatures: by subset; so are priors, the shares under which it answers.
    """

    network: CrossmodalEmbraceNet
    experts: Mapping[Modality, Sequence[Expert]]
    temperatures: Mapping[str, float]
    priors: Mapping[str, Floats]
    learned: Library
    held_out: Library


def build_fusion(recipe: StarterFusion, trust: Trust,
                 encoders: Mapping[Modality, TrainedEncoder],
                 material: Mapping[Modality, Material], folder: Path, reporter: Reporter, *,
                 measured: Fused | None = None) -> Fused:
    """
    Compute features, teach the fusion, calibrate it.

    The parts that compositions for learning are made of may be those that the encoders have
    learnt: their features look surer than those of strangers. So no label is the target, but what
    experts say who were calibrated on strangers.

    :param folder: with features/ and fusion/; the same call goes on where it was stopped.
    :param measured: of encoders of the same recipes; where nothing is held out, its calibration is
        taken over.
    """
    def parts(modality: Modality, clips: Clips, split: str, condition: int = 0) -> list[Part]:
        return _parts(encoders[modality], clips, split, condition, folder / 'features', reporter)

    library = Library({m: [part for number, clips in enumerate(material[m].learned, start=1)
                           for part in parts(m, clips, 'train', number)] for m in MODALITIES})
    tried = Library({m: parts(m, material[m].held_out, 'dev') for m in MODALITIES})
    calibration = tried if measured else Library({
        m: parts(m, material[m].calibration or material[m].held_out, 'dev') for m in MODALITIES})
    experts = measured.experts if measured else {
        m: _experts(calibration.answers(m), [parts(m, clips, 'dev')
                                             for clips in material[m].learned])
        for m in MODALITIES}
    priors = {subset_name(s): FLAT for s in SUBSETS} | {
        subset_name(m): np.array(of[0].shares) for m, of in experts.items()}
    teacher = Teacher(trust, priors, library.experts_say(experts))

    def begin(own: LateFusion) -> None:
        fit_gates(own, library, experts)
        teacher.begin(own, experts)

    own = Own({m: encoders[m].encoder.classifier for m in MODALITIES}, begin)
    network = teach_fusion(recipe, library, tried, teacher, own, folder / 'fusion', reporter)
    temperatures = measured.temperatures if measured else fit_temperatures(
        network, recipe.trust, calibration, recipe.compositions, recipe.scored)
    return Fused(network, experts, temperatures, priors, library, tried)


def _parts(trained: TrainedEncoder, clips: Clips, split: str, condition: int, folder: Path,
           reporter: Reporter) -> list[Part]:
    if not any(e.split == split for e in clips.examples):
        return []
    cache = make_features({trained.modality: trained}, clips, folder, reporter, splits=[split])
    found = [(e.key, e.labels[0] if e.labels else NOTHING, cache.get(e.key)[trained.modality])
             for e in clips.examples if e.split == split and e.key in cache]
    return make_parts(trained, found, condition)


def _experts(as_they_are: Answers, strangers: Sequence[Sequence[Part]]) -> list[Expert]:
    """Return an expert for condition 0, and one for each set of strangers' parts, if any."""
    plain = fit_expert(as_they_are)
    return [plain, *(fit_expert(answers_of(parts)) if parts else plain for parts in strangers)]


def figures(fused: Fused, recipe: StarterFusion, groups: Mapping[Modality, Mapping[str, Any]]
            ) -> dict[str, Any]:
    """
    Return what the bundle is worth on held-out parts.

    :param groups: whose example it is, by key of the clip: actor, dialogue, image.
    """
    config, tried = recipe.compositions, fused.held_out

    def scores(conflicts: tuple[float, float, float], subsets: Sequence[Modality]
               ) -> dict[str, Any]:
        return subset_figures(
            fused.network, recipe.trust, tried, config.model_copy(update={'conflicts': conflicts}),
            fused.temperatures, recipe.scored, subsets)

    several = [s for s in SUBSETS if s not in MODALITIES]
    found: dict[str, Any] = {
        'subsets': scores(config.conflicts, SUBSETS),
        'agreeing': scores((0.0, 0.0, 0.0), several),
        'silent': {subset_name(m): scores(silent, [s for s in several if m in s])
                   for m, silent in zip(MODALITIES, SILENT)},
        'priors': {name: list(map(float, shares)) for name, shares in fused.priors.items()},
        'recipe': recipe.model_dump(mode='json'), 'experts': {}}
    for modality in MODALITIES:
        answers = tried.answers(modality)
        keys = [p.key for p in tried.parts[modality] if p.label != NOTHING]
        whose = np.array([str(groups[modality][split_view_key(key)[0]]) for key in keys])
        calibrated, _ = crossed(answers, whose)
        expert = fused.experts[modality][0]
        own = np.exp(expert.answer(answers.logits, np.array(expert.shares)))
        found['experts'][subset_name(modality)] = {
            **figures_of(answers.labels, own),
            'temperatures': [each.temperature for each in fused.experts[modality]],
            'ece_crossed': score(answers.labels, calibrated).ece}
    return found
