# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A published sentence encoder, fine-tuned on the corpora, as teacher of the text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.networks.crossmodal import masked_mean
from mmer_ros.networks.pretrained import load_sentence_encoder
from mmer_ros.types import EMOTIONS
import numpy as np
from pydantic import Field
import safetensors.torch
from tokenizers import Tokenizer
import torch
from torch import nn, Tensor
from torch.nn.utils.rnn import pad_sequence
from training.corpora.examples import DEV, Example
from training.encoders.text.cross_fitting import (
    cross_fitted_targets,
    CrossFittingConfig,
    folds_of,
    without_fold,
)
from training.encoders.text.linear_teacher import learnable, Probabilities, SoftTargets
from training.engine.config import with_seed
from training.engine.device import placed
from training.engine.fit import Batch, DrawnDataset, EngineConfig, fit, StepOutput, Task
from training.engine.losses import EmotionLoss, LossConfig, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw, OrderedBatches

BATCH = 128
LONGEST = 96  # tokens
SPREAD = 0.1  # deviation of initial token embeddings; smaller ones are soon overwritten
PREFIX = 'transformer.'


class HubTeacherConfig(CrossFittingConfig):
    """
    A sentence encoder that is fine-tuned, cross-fitted, and then labels all sentences softly.

    :param name: on the Hugging Face hub, or a folder written by `save_pretrained`.
    :param repeats: of the main corpus per epoch, relative to the extra ones.
    :param warm_start: initialise the token embeddings of the student with those of the first
        member.
    :param engine: of the fine-tuning; its seed is that of the first member.
    """

    name: str
    repeats: int = Field(2, ge=1)
    warm_start: bool = False
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class SentenceItem:
    """A tokenized sentence with its target (7,) and the number of its corpus."""

    key: str
    ids: list[int]
    target: Tensor
    corpus: int


class Sentences(DrawnDataset[SentenceItem]):
    """Single sentences, tokenized by the published tokenizer."""

    def __init__(self, examples: Sequence[Example], corpora: Sequence[int], tokenizer: Any
                 ) -> None:
        self.examples, self.corpora = examples, corpora
        self.ids: list[list[int]] = tokenizer(
            [e.text for e in examples], truncation=True, max_length=LONGEST)['input_ids']
        self.sizes = [len(ids) for ids in self.ids]

    def __getitem__(self, draw: Draw) -> SentenceItem:
        example = self.examples[draw.row]
        return SentenceItem(example.key, self.ids[draw.row], target_of(example.target),
                            self.corpora[draw.row])


def collate_sentences(items: Sequence[SentenceItem]) -> Batch:
    """Return a batch: ids, mask (B, T) int64; targets (B, 7), corpora (B,)."""
    ids = [torch.tensor(item.ids) for item in items]
    return {
        'keys': [item.key for item in items], 'ids': pad_sequence(ids, batch_first=True),
        'mask': pad_sequence([torch.ones_like(i) for i in ids], batch_first=True),
        'targets': torch.stack([item.target for item in items]),
        'corpora': torch.tensor([item.corpus for item in items])}


class SentenceNetwork(nn.Module):
    """Mean of a transformer's states, and an emotion head for each corpus."""

    def __init__(self, transformer: Any, emotion_loss: EmotionLoss, corpora: int) -> None:
        super().__init__()
        self.transformer, self.emotion_loss = transformer, emotion_loss
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.ModuleList(
            nn.Linear(transformer.config.hidden_size, len(EMOTIONS)) for _ in range(corpora))

    def forward(self, batch: Batch) -> StepOutput:
        states = self.transformer(input_ids=batch['ids'], attention_mask=batch['mask'])[0]
        mean = self.dropout(masked_mean(states, batch['mask']))  # (B, width)
        every = torch.stack([head(mean) for head in self.heads], dim=1)  # (B, corpora, 7)
        logits = every[torch.arange(len(mean), device=mean.device), batch['corpora']]
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


def hub_targets(config: HubTeacherConfig, loss: LossConfig, main: Sequence[Example],
                extra: Sequence[Sequence[Example]], linear: SoftTargets,
                unlabelled: Sequence[Example], folder: Path, reporter: Reporter) -> SoftTargets:
    """
    Fine-tune, or resume fine-tuning, the members; return their targets and the linear ones mixed.

    :param extra: further labelled corpora.
    :param unlabelled: further sentences that get targets.
    :param folder: with a run for each member.
    """
    asked = [e for corpus in (main, *extra, unlabelled) for e in learnable(corpus)]
    folds = folds_of(main, config.folds)

    def member(fold: int, run_folder: Path) -> SoftTargets:
        examples = without_fold(main, folds, fold)
        engine = with_seed(config.engine, config.engine.seed + fold)
        run = RunFolder.start(run_folder, engine)
        emotion_loss = EmotionLoss.from_labels(loss, [e.labels for e in learnable(examples)])
        return _fine_tuned(config, engine, emotion_loss, [examples, *extra], asked, run,
                           reporter.named(f'text/teacher/{fold}'))

    return cross_fitted_targets(config, main, [e.key for e in asked], linear, folder, member)


def _fine_tuned(config: HubTeacherConfig, engine: EngineConfig, loss: EmotionLoss,
                corpora: Sequence[Sequence[Example]], asked: Sequence[Example],
                run: RunFolder, reporter: Reporter) -> SoftTargets:
    """Return the predictions of a member, (7,) by key, for the examples in `asked`."""
    torch.manual_seed(engine.seed)
    transformer, tokenizer = load_sentence_encoder(config.name)
    module = SentenceNetwork(transformer, loss, len(corpora))
    rows = [(e, number) for number, corpus in enumerate(corpora) for e in learnable(corpus)
            if e.labels for _ in range(1 if number else config.repeats)]
    dev = [e for e in corpora[0] if e.text and e.labels and e.split == DEV]
    task = Task(module, Sentences([e for e, _ in rows], [n for _, n in rows], tokenizer),
                Sentences(dev, [0] * len(dev), tokenizer), collate_sentences)
    fit(task, engine, run, reporter)
    data = Sentences(asked, [0] * len(asked), tokenizer)
    with reporter.console.status(f'{config.name} labels {len(asked)} sentences'):
        with placed(module) as device:
            found = _predict(module, data, device, engine.precision == 'bf16')
    return dict(zip([e.key for e in asked], found, strict=True))


@torch.inference_mode()
def _predict(module: SentenceNetwork, data: Sentences, device: torch.device, bf16: bool
             ) -> Probabilities:
    result = np.zeros((len(data), len(EMOTIONS)), np.float32)
    for draws in OrderedBatches(data.sizes, BATCH):
        batch = collate_sentences([data[draw] for draw in draws])
        batch = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = module(batch).logits.float()
        result[[d.row for d in draws]] = torch.softmax(logits, dim=1).cpu().numpy()
    return result


@torch.inference_mode()
def token_embeddings(config: HubTeacherConfig, run: RunFolder, tokenizer: Tokenizer, width: int
                     ) -> Tensor:
    """
    Return embeddings of another tokenizer's tokens by a fine-tuned sentence encoder.

    :param run: of the sentence encoder, finished.
    :param width: principal components that are kept.
    :return: (tokens, width), of standard deviation SPREAD.
    """
    transformer, own = load_sentence_encoder(config.name)
    weights = safetensors.torch.load_file(run.best / 'module.safetensors')
    transformer.load_state_dict({name.removeprefix(PREFIX): value for name, value
                                 in weights.items() if name.startswith(PREFIX)})
    transformer.eval()
    words = [tokenizer.decode([i]).strip() for i in range(tokenizer.get_vocab_size())]
    rows = []
    for start in range(0, len(words), BATCH):
        batch = own(words[start:start + BATCH], padding=True, truncation=True,
                    max_length=LONGEST, return_tensors='pt')
        rows.append(masked_mean(transformer(**batch)[0], batch['attention_mask']))
    found = torch.cat(rows)
    found = found - found.mean(dim=0)
    _, _, axes = torch.linalg.svd(found, full_matrices=False)
    kept: Tensor = found @ axes[:width].T
    kept *= SPREAD / kept.std()
    return kept
