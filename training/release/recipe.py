"""Recipe of the starter bundle beside those of its encoders."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from training.engine.config import Settings
from training.evaluation.pairs.human_votes import Rule
from training.fusion.distillation_stage import StarterFusion
from training.fusion.pseudo_pairs import Trust
from training.release.fusion_data import MaterialConfig

ModalityName = Literal['text', 'audio', 'face']
ROUND = 2  # decimals of what goes from the votes into the bundle


class StarterRecipe(Settings):
    """
    All that is decided about the fusion.

    :param text_weight: exponent of the likelihood of words beside a voice or a face; None: the
        mean of those two, for it was not measured.
    :param everything: encoders that are trained once more for the release, on what was held out,
        too; the figures stay those of before.
    :param text, audio, face: recipes of the encoders, where they have to be trained.
    :param fold_voice: that of the audio encoders of the check on real pairs; `pairs` is that of
        its fusions.
    """

    everything: tuple[ModalityName, ...] = ()
    text: str = 'starter/text'
    audio: str = 'starter/audio'
    face: str = 'starter/face'
    fold_voice: str = 'starter/fold_voice'
    materials: MaterialConfig = MaterialConfig()
    fusion: StarterFusion = StarterFusion()
    text_weight: float | None = Field(None, gt=0)
    pairs: StarterFusion = StarterFusion()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.pairs.fusion.late_fusion:
            raise ValueError('pairs.fusion.late_fusion: action units come from no encoder that '
                             'has a classifier; leave it out')
        return self

    def trust(self, rule: Rule) -> Trust:
        """Return how far each modality is believed, by what people make of voice and face."""
        voice, face = round(rule.voice, ROUND), round(rule.face, ROUND)
        text = self.text_weight or round((voice + face) / 2, ROUND)
        return Trust(weights=(text, voice, face), neutral=round(rule.neutral, ROUND))

    def with_rule(self, rule: Rule) -> StarterRecipe:
        """Return the recipe with what was learnt of trust and of conflicts in it."""
        conflicts = (round((rule.voice_neutral + rule.face_neutral) / 2, ROUND),
                     round(rule.voice_neutral, ROUND), round(rule.face_neutral, ROUND))
        composed = self.fusion.compositions.model_copy(update={'conflicts': conflicts})
        return self.model_copy(update={'fusion': self.fusion.model_copy(update={
            'compositions': composed, 'trust': self.trust(rule).weights})})
