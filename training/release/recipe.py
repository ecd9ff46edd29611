# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recipe of the starter bundle."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from training.engine.config import Settings
from training.evaluation.pairs.human_votes import VotesRule
from training.fusion.distillation_stage import DistilledFusionConfig
from training.fusion.pseudo_pairs import ModalityWeights
from training.release.training_sets import TrainingSetsConfig

ROUND = 2  # decimals of what is fitted on the votes


class StarterRecipe(Settings):
    """
    Recipe of the starter bundle.

    :param text, audio, face: recipes of the encoders.
    :param refit: encoders that are trained once more for the release, on all data; the figures
        stay those of the encoders before.
    :param text_weight: exponent of the likelihood of text beside another modality; None: the
        mean of voice and face, for it was not measured.
    :param fold_voice: recipe of the audio encoders of the check on real pairs.
    :param pairs: recipe of the fusions of that check.
    """

    text: str = 'starter/text'
    audio: str = 'starter/audio'
    face: str = 'starter/face'
    fold_voice: str = 'starter/fold_voice'
    refit: tuple[Literal['text', 'audio', 'face'], ...] = ()
    training_sets: TrainingSetsConfig = TrainingSetsConfig()
    fusion: DistilledFusionConfig = DistilledFusionConfig()
    text_weight: float | None = Field(None, gt=0)
    pairs: DistilledFusionConfig = DistilledFusionConfig()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.pairs.fusion.late_fusion:
            raise ValueError('pairs.fusion.late_fusion: there is no encoder of action units, so '
                             'there is no classifier of them; leave it out')
        return self

    def weights(self, rule: VotesRule) -> ModalityWeights:
        """Return the weights of the log-linear pool, as fitted on human votes."""
        voice, face = round(rule.voice, ROUND), round(rule.face, ROUND)
        text = self.text_weight or round((voice + face) / 2, ROUND)
        return ModalityWeights(weights=(text, voice, face), neutral=round(rule.neutral, ROUND))

    def with_rule(self, rule: VotesRule) -> StarterRecipe:
        """Return the recipe with modality weights and disagreement as in human votes."""
        disagreement = (round((rule.voice_neutral + rule.face_neutral) / 2, ROUND),
                        round(rule.voice_neutral, ROUND), round(rule.face_neutral, ROUND))
        pairs = self.fusion.pseudo_pairs.model_copy(update={'disagreement': disagreement})
        return self.model_copy(update={'fusion': self.fusion.model_copy(update={
            'pseudo_pairs': pairs, 'modality_weights': self.weights(rule).weights})})
