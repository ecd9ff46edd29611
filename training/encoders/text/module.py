# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The text encoder with the losses of section 4.1.1 and a teacher."""

from __future__ import annotations

from typing import Any

from mmer_ros.types import EMOTIONS
from pydantic import Field
import torch
from torch import nn, Tensor
from torch.nn import functional
from training.encoders.tuning import KeepsFrozen
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss


class TextLossWeights(Settings):
    """
    Coefficients of the sum L(l) + L(s) + L(e), and of distillation.

    :param teacher: of the cross-entropy with the teacher's soft targets.
    :param reply_only: train the language model on the words of the reply alone, as the paper does;
        otherwise on all words.
    :param token_share: share of the tokens, drawn in each step, on which the language model is
        trained: its softmax over the vocabulary costs more than a small network.
    """

    language_model: float = Field(0.5, ge=0)
    next_sentence: float = Field(0.5, ge=0)
    emotion: float = Field(1.0, ge=0)
    teacher: float = Field(0.0, ge=0)
    reply_only: bool = False
    token_share: float = Field(1.0, gt=0, le=1)


class TextModule(KeepsFrozen):
    """
    Text encoder, language model head (tied), next-sentence head, and heads of extra corpora.

    :param extra: number of extra corpora. Annotators differ, so each has an emotion head of its
        own, which is not part of the bundle.
    """

    def __init__(self, encoder: Any, emotion_loss: EmotionLoss,
                 weights: TextLossWeights, extra: int = 0) -> None:
        super().__init__()
        self.encoder, self.emotion_loss, self.weights = encoder, emotion_loss, weights
        self.next_sentence = nn.Linear(encoder.width, 1)
        self.extra_heads = nn.ModuleList(
            nn.Linear(encoder.width, len(EMOTIONS)) for _ in range(extra))

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and emotion logits of a batch of `collate_text`."""
        hidden, mask = self.encoder(batch['ids'], batch['types'], batch['lengths'])  # (B, T, d)
        rows = torch.arange(len(hidden), device=hidden.device)
        last = hidden[rows, batch['lengths'] - 1]  # (B, d) of <cls>, which attends to all
        own = self.encoder.classifier(last)  # (B, 7)
        every = torch.stack([own, *(head(last) for head in self.extra_heads)], dim=1)
        logits = every[rows, batch['corpora']]
        parts = {'emotion': self.emotion_loss(logits, batch['targets'])}
        if self.training:
            parts |= self._teacher(own, batch) | self._next_sentence(last, batch)
            if self.weights.language_model:
                predicted = self._predicted(mask, batch)
                parts['language_model'] = self._language_model(hidden, predicted, batch['clean'])
        loss = torch.stack([getattr(self.weights, name) * part
                            for name, part in parts.items()]).sum()
        return StepOutput(loss, logits, {k: v.detach() for k, v in parts.items()})

    def _teacher(self, own: Tensor, batch: Batch) -> dict[str, Tensor]:
        if not self.weights.teacher:
            return {}
        soft, taught = batch['soft'], batch['soft'].sum(dim=1) > 0
        rows = -(soft * torch.log_softmax(own, dim=1)).sum(dim=1)
        return {'teacher': rows.sum() / taught.sum().clamp(min=1)}

    def _next_sentence(self, last: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of telling the reply from a distractor."""
        if not self.weights.next_sentence:
            return {}
        if 'choice' in batch and bool((batch['choice'] >= 0).any()):
            return {'next_sentence': choice_loss(self.next_sentence(last)[:, 0], batch['choice'])}
        asked = batch['follows'] >= 0
        rows = functional.binary_cross_entropy_with_logits(
            self.next_sentence(last)[:, 0], batch['follows'].clamp(min=0).float(),
            reduction='none')
        return {'next_sentence': (rows * asked).sum() / asked.sum().clamp(min=1)}

    def _predicted(self, mask: Tensor, batch: Batch) -> Tensor:
        """Return the tokens that the language model is to predict, (B, T); never the first."""
        places = torch.arange(mask.shape[1], device=mask.device)
        keep = mask & (places > 0)
        if 'choice' in batch:  # a distractor follows from nothing
            first = torch.arange(len(mask), device=mask.device) < len(batch['keys'])
            keep = keep & first[:, None]
        if self.weights.reply_only:  # from the first word to <cls>, without the speaker's token
            begin = (batch['lengths'] - batch['replies'])[:, None]
            keep = keep & (places >= begin) & (batch['replies'] > 0)[:, None]
        if self.weights.token_share < 1:
            drawn = torch.rand(keep[:, 1:].shape, device=keep.device) < self.weights.token_share
            drawn[0, 0] = True  # at least one
            keep = keep & nn.functional.pad(drawn, (1, 0))
        return keep

    def _language_model(self, hidden: Tensor, predicted: Tensor, clean: Tensor) -> Tensor:
        keep = predicted[:, 1:]
        logits = hidden[:, :-1][keep] @ self.encoder.gpt.tokens_embed.weight.T  # (n, vocab)
        losses = functional.cross_entropy(logits, clean[:, 1:][keep], reduction='sum')
        return losses / keep.sum().clamp(min=1)


def choice_loss(scores: Tensor, choice: Tensor) -> Tensor:
    """
    Return the mean cross-entropy of choosing the first input of each item.

    :param scores: (B,) of the inputs.
    :param choice: (B,) number of the item of each; -1: there is nothing to choose.
    """
    asked = choice >= 0
    items, number = choice[asked].unique(return_inverse=True)
    given = scores[asked].float()
    largest = given.detach().max()
    sums = given.new_zeros(len(items)).index_add(0, number, (given - largest).exp())
    rows = torch.arange(len(number), device=number.device)
    first = torch.full((len(items),), len(number), device=number.device).scatter_reduce(
        0, number, rows, 'amin')
    return (sums.log() + largest - given[first]).mean()
