"""A published sentence encoder that is fine-tuned to teach: it has read more than the corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.crossmodal import masked_mean
from mmer_ros.networks.pretrained import load_sentence_encoder
from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import safetensors.torch
from tokenizers import Tokenizer
import torch
from torch import nn, Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from training.corpora.examples import Example
from training.engine.config import Settings
from training.engine.device import placed
from training.engine.fit import Batch, EngineConfig, fit, StepOutput, Task
from training.engine.losses import EmotionLoss, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw, OrderedBatches

Probabilities = NDArray[np.float32]
BATCH = 128
LONGEST = 96  # tokens
SPREAD = 0.1  # of the embeddings that a network begins with; smaller ones are soon lost
PREFIX = 'transformer.'


class PublishedConfig(Settings):
    """
    A sentence encoder of the Hugging Face hub that teaches, once it is fine-tuned.

    :param name: on the hub, or a folder that `save_pretrained` wrote.
    :param repeats: of the main corpus in an epoch, beside the larger extra ones.
    :param engine: how it is fine-tuned.
    """

    name: str
    repeats: int = Field(2, ge=1)
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class SentenceItem:
    """A sentence with its target; see TextItem."""

    key: str
    ids: list[int]
    target: Tensor
    domain: int


class Sentences(Dataset[SentenceItem]):
    """Sentences by themselves, as a published tokenizer reads them."""

    def __init__(self, examples: Sequence[Example], domains: Sequence[int], tokenizer: Any
                 ) -> None:
        """Tokenize them."""
        self.examples, self.domains = examples, domains
        self.ids: list[list[int]] = tokenizer(
            [e.text for e in examples], truncation=True, max_length=LONGEST)['input_ids']

    @property
    def sizes(self) -> list[int]:
        """Tokens of each."""
        return [len(ids) for ids in self.ids]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> SentenceItem:
        """Return a sentence."""
        example = self.examples[draw.row]
        return SentenceItem(example.key, self.ids[draw.row], target_of(example.labels),
                            self.domains[draw.row])


def collate_sentences(items: Sequence[SentenceItem]) -> Batch:
    """Return a batch: ids, mask (B, T) int64; targets (B, 7), domains (B,)."""
    ids = [torch.tensor(item.ids) for item in items]
    return {
        'keys': [item.key for item in items], 'ids': pad_sequence(ids, batch_first=True),
        'mask': pad_sequence([torch.ones_like(i) for i in ids], batch_first=True),
        'targets': torch.stack([item.target for item in items]),
        'domains': torch.tensor([item.domain for item in items])}


class SentenceNetwork(nn.Module):
    """The mean of a transformer's states, and an emotion head for each corpus."""

    def __init__(self, transformer: Any, emotion_loss: EmotionLoss, corpora: int) -> None:
        """Add the heads."""
        super().__init__()
        self.transformer, self.emotion_loss = transformer, emotion_loss
        self.dropout = nn.Dropout(0.1)
        self.heads = nn.ModuleList(
            nn.Linear(transformer.config.hidden_size, len(EMOTIONS)) for _ in range(corpora))

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and emotion logits of a batch of `collate_sentences`."""
        states = self.transformer(input_ids=batch['ids'], attention_mask=batch['mask'])[0]
        mean = self.dropout(masked_mean(states, batch['mask']))
        answers = torch.stack([head(mean) for head in self.heads], dim=1)
        logits = answers[torch.arange(len(mean), device=mean.device), batch['domains']]
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


class SentenceTask(Task):
    """Corpora of sentences, each a domain of its own; scores on the dev split of the first."""

    def __init__(self, module: SentenceNetwork, tokenizer: Any,
                 corpora: Sequence[Sequence[Example]], repeats: int) -> None:
        """Take the labelled sentences."""
        rows = [(e, d) for d, corpus in enumerate(corpora) for e in corpus
                if e.text and e.labels and e.split == 'train'
                for _ in range(1 if d else repeats)]
        tried = [e for e in corpora[0] if e.text and e.labels and e.split == 'dev']
        self.module = module
        learned = Sentences([e for e, _ in rows], [d for _, d in rows], tokenizer)
        dev = Sentences(tried, [0] * len(tried), tokenizer)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = dev, dev.sizes

    def collate(self, items: Sequence[SentenceItem]) -> Batch:
        """Pad the sentences."""
        return collate_sentences(items)


def published_member(config: PublishedConfig, engine: EngineConfig, loss: EmotionLoss,
                     corpora: Sequence[Sequence[Example]], asked: Sequence[Example],
                     run: RunFolder, reporter: Reporter) -> Mapping[str, Probabilities]:
    """
    Fine-tune, or go on fine-tuning, a published sentence encoder, and return what it says.

    :param corpora: train and dev of the main corpus, train of extra ones.
    :param asked: what it is to answer, (7,) by key.
    """
    torch.manual_seed(engine.seed)
    transformer, tokenizer = load_sentence_encoder(config.name)
    module = SentenceNetwork(transformer, loss, len(corpora))
    fit(SentenceTask(module, tokenizer, corpora, config.repeats), engine, run, reporter)
    data = Sentences(asked, [0] * len(asked), tokenizer)
    with reporter.console.status(f'{config.name} answers {len(asked)} sentences'):
        with placed(module) as device:
            answers = _answers(module, data, device, engine.precision == 'bf16')
    return dict(zip([e.key for e in asked], answers, strict=True))


@torch.inference_mode()
def token_embeddings(config: PublishedConfig, run: RunFolder, tokenizer: Tokenizer, width: int
                     ) -> Tensor:
    """
    Return what a fine-tuned sentence encoder makes of each token of another tokenizer.

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


@torch.inference_mode()
def _answers(module: SentenceNetwork, data: Sentences, device: torch.device, bf16: bool
             ) -> Probabilities:
    result = np.zeros((len(data), len(EMOTIONS)), np.float32)
    for draws in OrderedBatches(data.sizes, BATCH):
        batch = collate_sentences([data[draw] for draw in draws])
        batch = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = module(batch).logits.float()
        result[[d.row for d in draws]] = torch.softmax(logits, dim=1).cpu().numpy()
    return result
