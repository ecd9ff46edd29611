# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training data of the text encoder: history, current sentence, and sometimes the reply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from mmer_ros.networks.text_input import Layout, TextInput, TextStreaming
from mmer_ros.types import Turn
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
import torch
from training.augment.asr_errors import AsrConfig, AsrSimulator
from training.corpora.examples import Example
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset
from training.engine.losses import target_of
from training.engine.sampling import Draw


class TextDataConfig(Settings):
    """
    Augmentation of the text in training.

    :param reply: share of the examples that show the reply, which a robot does not have yet.
    :param candidates: with a reply, the number of inputs between which the network chooses the one
        with the true reply, as in TransferTransfo; the others end in a distractor and have
        neither emotion nor language model. 0: the reply or a distractor, one input each.
    :param eval_reply: score the dev split with the reply, as the paper does.
    :param history_drop: share of the examples without history.
    :param token_noise: share of the input tokens that are replaced by random ones.
    :param asr: simulated transcripts of a speech recogniser, history included.
    """

    reply: float = Field(0.0, ge=0, le=1)
    candidates: int = Field(0, ge=0, le=20)
    eval_reply: bool = False
    history_drop: float = Field(0.1, ge=0, le=1)
    token_noise: float = Field(0.1, ge=0, lt=1)
    asr: AsrConfig = AsrConfig()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.candidates == 1:
            raise ValueError('candidates 1: there is nothing to choose; give 0, or 2 and more')
        return self


@dataclass(frozen=True)
class Dialogue:
    """An example with the turns around it."""

    example: Example
    history: tuple[Turn, ...]
    reply: Turn | None


def dialogues(examples: Sequence[Example], history_turns: int) -> list[Dialogue]:
    """Return each example with text, its history and its reply from the same group."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if example.text and example.group:
            groups[example.group].append(example)
    around: dict[str, Dialogue] = {}
    for members in groups.values():
        members.sort(key=lambda e: e.turn)
        turns = [Turn(e.speaker, e.text) for e in members]
        for i, example in enumerate(members):
            reply = turns[i + 1] if i + 1 < len(turns) else None
            around[example.key] = Dialogue(
                example, tuple(turns[max(0, i - history_turns):i]), reply)
    return [around.get(e.key, Dialogue(e, (), None)) for e in examples if e.text]


@dataclass(frozen=True)
class TextItem:
    """
    An input of the text encoder with its targets.

    :param target: (7,) emotion; zeros if unlabelled.
    :param corpus: number of the corpus and its emotion head; head 0 is that of the bundle.
    :param soft: (7,) soft target of a teacher for head 0; zeros without one.
    :param follows: 1 if the last turn is the reply, 0 if it is a distractor, -1 without either.
    :param distractors: the same input with distractors in place of the reply, to choose from.
    """

    key: str
    text: TextInput
    noisy_ids: list[int]
    target: torch.Tensor
    corpus: int
    soft: torch.Tensor
    follows: int
    distractors: tuple[TextInput, ...] = ()


class TextData(DrawnDataset[TextItem]):
    """
    Dialogues with their targets.

    :param corpora: number of the corpus of each dialogue, as in TextItem.
    :param targets: soft targets (7,) by key.
    :param recogniser: makes transcripts, where the settings ask for them.
    :param training: with augmentation, replies and distractors; otherwise the causal input.
    :param with_reply: evaluate with the reply, which a robot does not have.
    """

    def __init__(self, rows: Sequence[Dialogue], corpora: Sequence[int], encoder: TextStreaming,
                 tokenizer: Layout, config: TextDataConfig, *, training: bool,
                 targets: Mapping[str, NDArray[np.float32]] | None = None,
                 recogniser: AsrSimulator | None = None, with_reply: bool = False) -> None:
        self.rows, self.corpora = rows, corpora
        self.encoder, self.tokenizer, self.config = encoder, tokenizer, config
        self.training, self.targets, self.with_reply = training, targets or {}, with_reply
        self.recogniser = recogniser
        self.sizes = [len(self._context(row, row.history, None).token_ids) for row in rows]

    def __getitem__(self, draw: Draw) -> TextItem:
        row = self.rows[draw.row]
        history: Sequence[Turn] = row.history
        reply, follows = row.reply if self.with_reply else None, -1
        random, choose = draw.generator(), False
        if self.training:
            history = () if random.random() < self.config.history_drop else history
            if row.reply is not None and random.random() < self.config.reply:
                choose = bool(self.config.candidates)
                follows = int(choose or random.random() < 0.5)
                reply = row.reply if follows else self._distractor(row, random)
            row, history = self._transcribed(row, history, random)
        text = self._context(row, history, reply)
        soft = self.targets.get(row.example.key)
        return TextItem(
            row.example.key, text, self._noisy(text.token_ids, random),
            target_of(row.example.target), self.corpora[draw.row],
            torch.zeros(7) if soft is None else torch.from_numpy(soft), follows,
            self._distractors(row, history, random) if choose else ())

    def _distractors(self, row: Dialogue, history: Sequence[Turn], random: np.random.Generator
                     ) -> tuple[TextInput, ...]:
        found = [self._distractor(row, random) for _ in range(self.config.candidates - 1)]
        return tuple(self._context(row, history, turn) for turn in found if turn)

    def _context(self, row: Dialogue, history: Sequence[Turn], reply: Turn | None) -> TextInput:
        return self.encoder.context(self.tokenizer, row.example.text, reply=reply,
                                    speaker=row.example.speaker, history=history)

    def _transcribed(self, row: Dialogue, history: Sequence[Turn], random: np.random.Generator
                     ) -> tuple[Dialogue, Sequence[Turn]]:
        """Return a simulated transcript of some of the rows, the others as they are."""
        config = self.config.asr
        if self.recogniser is None or random.random() >= config.share:
            return row, history
        transcribe, rate = self.recogniser.transcribe, random.random() * config.error_rate
        example = replace(row.example, text=transcribe(row.example.text, rate, random))
        return (replace(row, example=example),
                [replace(turn, text=transcribe(turn.text, rate, random)) for turn in history])

    def _distractor(self, row: Dialogue, random: np.random.Generator) -> Turn | None:
        """Return a turn of another dialogue, by the speaker of the reply."""
        for _ in range(20):
            other = self.rows[int(random.integers(len(self.rows)))].example
            if other.group != row.example.group:
                speaker = row.reply.speaker if row.reply else other.speaker
                return Turn(speaker, other.text)
        return None

    def _noisy(self, token_ids: list[int], random: np.random.Generator) -> list[int]:
        """Replace some of the tokens by random ones, except for special tokens."""
        if not self.training or not self.config.token_noise:
            return token_ids
        special = list(self.tokenizer.special)
        hit = random.random(len(token_ids)) < self.config.token_noise
        other = random.integers(0, self.encoder.vocabulary, len(token_ids))
        ids = np.array(token_ids)
        noisy: list[int] = np.where(hit & ~np.isin(ids, special), other, ids).tolist()
        return noisy


def collate_text(items: Sequence[TextItem], pad: int) -> Batch:
    """
    Return a batch of text: ids, types, clean (B, T) int64; lengths, corpora, follows, choice (B,).

    `ids` are the inputs, `clean` the targets of the language model, of which the last
    `replies` (B,) before <cls> are those of the true reply. The distractors of all items come
    last, without targets; `choice` is the item of each row that is to be chosen from, or -1.
    """
    others = [(number, text) for number, item in enumerate(items) for text in item.distractors]
    texts = [*(item.text for item in items), *(text for _, text in others)]
    lengths = torch.tensor([len(text.token_ids) for text in texts])

    def filled(rows: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.stack([*rows, *[torch.zeros(7)] * len(others)])

    def padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
        result: torch.Tensor = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(row) for row in rows], batch_first=True, padding_value=pad)
        return result

    batch: dict[str, Any] = {
        'keys': [item.key for item in items], 'lengths': lengths,
        'ids': padded([*(item.noisy_ids for item in items),
                       *(text.token_ids for _, text in others)]),
        'clean': padded([text.token_ids for text in texts]),
        'types': padded([text.token_types for text in texts]),
        'targets': filled([item.target for item in items]),
        'soft': filled([item.soft for item in items]),
        'corpora': torch.tensor([*(item.corpus for item in items), *[0] * len(others)]),
        'follows': torch.tensor([*(-1 if item.distractors else item.follows for item in items),
                                 *[-1] * len(others)]),
        'choice': torch.tensor([*(number if item.distractors else -1
                                  for number, item in enumerate(items)),
                                *(number for number, _ in others)]),
        'replies': torch.tensor([*(item.text.reply_tokens * (item.follows == 1)
                                   for item in items), *[0] * len(others)]),
    }
    return batch
