"""Stage `train text`: GPT over history, current sentence and reply (section 4.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from mmer_ros.networks.pretrained import load_gpt
from mmer_ros.networks.text_encoder import DialogueTokenizer, TextEncoder, TextEncoderConfig
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
import safetensors.torch
from tokenizers import Tokenizer
import torch
from training.augment.asr_errors import Recogniser
from training.corpora.examples import Example
from training.encoders.text.cross_fitting import (
    committee_targets,
    CommitteeConfig,
    folds_of,
    without,
)
from training.encoders.text.data import (
    collate_text,
    Dialogue,
    dialogues,
    TextData,
    TextDataConfig,
    TextItem,
)
from training.encoders.text.hub_teacher import published_member, PublishedConfig, token_embeddings
from training.encoders.text.module import TextLossWeights, TextModule
from training.encoders.text.self_distillation import DistillConfig, log_answers, mixed_targets
from training.encoders.text.sentence_splicing import Splice, spliced
from training.encoders.text.tfidf_teacher import soft_targets, TeacherConfig
from training.encoders.text.tokenizer import train_tokenizer
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings, with_seed
from training.engine.files import partial_of
from training.engine.fit import Batch, EngineConfig, fit, Task
from training.engine.losses import class_counts, EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder

Soft = Mapping[str, NDArray[np.float32]]


class TextConfig(Settings):
    """
    Recipe of a text encoder.

    :param init: published GPT to begin with, by name or folder (`openai-gpt`); '': from scratch,
        with a tokenizer trained on the corpora.
    :param splices: sentences spliced from those of the corpora (see splices.py), for the teacher
        to answer beside the corpora.
    :param committee: small networks that teach beside the teacher (see committee.py); None: none.
    :param pretrain: epochs over the main and the extra corpora together; None: none.
    :param distill: epochs over the same with the network's own answers in the targets; needs a
        teacher and `pretrain`; None: none.
    :param finetune: epochs over the main corpus alone; None: none.
    """

    model: TextEncoderConfig = TextEncoderConfig()
    init: str = ''
    data: TextDataConfig = TextDataConfig()
    loss: LossConfig = LossConfig()
    weights: TextLossWeights = TextLossWeights()
    teacher: TeacherConfig = TeacherConfig()
    splices: int = Field(0, ge=0)
    committee: CommitteeConfig | None = None
    pretrain: EngineConfig | None = None
    distill: DistillConfig | None = None
    finetune: EngineConfig | None = Field(default_factory=EngineConfig)

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.pretrain is None and self.finetune is None:
            raise ValueError('pretrain and finetune are both null; give at least one')
        if self.distill and (self.pretrain is None or self.teacher.kind == 'none'):
            raise ValueError('distill goes on from pretrain, with a teacher; give both')
        if self.committee and (self.init or self.teacher.kind == 'none'):
            raise ValueError('committee teaches beside a teacher, a network from scratch; leave '
                             'init empty and give a teacher')
        if self.committee and self.committee.warm_start and not self.committee.published and not (
                self.splices and _same_sizes(self.committee.model or self.model, self.model)):
            raise ValueError('committee.warm_start: the members are of other sizes, or there are '
                             'no splices; leave committee.model out, or give warm_start: false')
        return self


def _same_sizes(one: TextEncoderConfig, other: TextEncoderConfig) -> bool:
    return one == other.model_copy(update={'history_turns': one.history_turns})


class TextTask(Task):
    """Dialogues of some corpora; scores on the dev split of the first."""

    train_data: TextData

    def __init__(self, module: TextModule, tokenizer: DialogueTokenizer,
                 corpora: Sequence[Sequence[Dialogue]], config: TextConfig, soft: Soft) -> None:
        """Split the corpora; each is a domain of its own."""
        rows = [(row, d) for d, corpus in enumerate(corpora) for row in corpus]
        train = [(row, d) for row, d in rows if row.example.split == 'train']
        dev = [(row, d) for row, d in rows if row.example.split == 'dev' and d == 0]
        for split, part in (('train', train), ('dev', dev)):
            if not part:
                raise InvalidInput(f'train text: the corpus has no text in its {split} split; '
                                   'give one that has')
        self.module, self.pad = module, tokenizer.pad
        recogniser = (Recogniser(row.example.text for row, _ in train)
                      if config.data.words.share else None)

        def data(part: Sequence[tuple[Dialogue, int]], training: bool) -> TextData:
            return TextData([row for row, _ in part], [d for _, d in part], module.encoder,
                            tokenizer, config.data, training=training, teacher=soft,
                            recogniser=recogniser)

        learned, tried = data(train, True), data(dev, False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[TextItem]) -> Batch:
        """Pad the texts."""
        return collate_text(items, self.pad)


def train_text(config: TextConfig, main: Sequence[Example], extra: Sequence[Sequence[Example]],
               folder: Path, reporter: Reporter) -> TrainedEncoder:
    """
    Train, or go on training, a text encoder.

    :param main: the corpus whose emotions are to be told; its dev split decides what is kept.
    :param extra: other corpora, for `pretrain` and for the tokenizer.
    :param folder: of the run, with a folder for each phase and the result in `encoder/`.
    """
    RunFolder.take_up(folder, config)
    torch.manual_seed((config.pretrain or config.finetune or EngineConfig()).seed)
    encoder = TextEncoder(config.model, len(EMOTIONS))
    tokenizer = _tokenizer(config, encoder, [main, *extra], folder)
    splices = spliced(main, extra, config.splices) if config.splices else []
    corpora = [main, *extra, *([[s.example for s in splices]] if splices else [])]
    learned = [e.labels for e in main if e.split == 'train' and e.text]
    module = TextModule(encoder, EmotionLoss(config.loss, class_counts(learned)), config.weights,
                        len(corpora) - 1)
    layout = DialogueTokenizer(tokenizer)
    soft = soft_targets(config.teacher, main, corpora[1:], folder / 'teacher.safetensors',
                        reporter)
    if config.committee is not None:
        keys = [[e.key for e in corpus if e.split == 'train' and e.text] for corpus in corpora]
        published = config.committee.published
        member = _published_member(
            config, published, config.committee.folds, [main, *extra], splices, reporter
        ) if published else _member(config, config.committee, layout, [main, *extra], splices,
                                    soft, reporter)
        soft = committee_targets(config.committee, main, keys, soft, folder / 'committee', member)
        if config.committee.warm_start:
            _begin(module, config.committee, tokenizer, RunFolder(folder / 'committee' / '0'))
    facts = _phases(config, module, layout, corpora, soft, folder, reporter)
    result = TrainedEncoder(Modality.TEXT, config.model, encoder, facts, tokenizer)
    result.save(folder / 'encoder')
    return result


def _begin(module: TextModule, committee: CommitteeConfig, tokenizer: Tokenizer,
           first: RunFolder) -> None:
    """Let a network begin with what the first member knows: its weights, or of the tokens."""
    if committee.published is None:
        module.load_state_dict(safetensors.torch.load_file(first.best / 'module.safetensors'))
        return
    embedding = module.encoder.gpt.tokens_embed.weight
    known = token_embeddings(committee.published, first, tokenizer, embedding.shape[1])
    with torch.no_grad():
        embedding[:len(known)] = known


def _member(config: TextConfig, committee: CommitteeConfig, layout: DialogueTokenizer,
            corpora: Sequence[Sequence[Example]], splices: Sequence[Splice], soft: Soft,
            reporter: Reporter) -> Callable[[int, Path], Soft]:
    """Return what trains the member that leaves out a fold, and returns its answers by key."""
    main, *extra = corpora
    folds = folds_of(main, committee.folds)

    def train(fold: int, folder: Path) -> Soft:
        engine = with_seed(committee.engine, committee.engine.seed + fold)
        torch.manual_seed(engine.seed)
        examples, clean = without(main, splices, folds, fold, committee.splices)
        learned = [e.labels for e in examples if e.split == 'train' and e.text]
        module = TextModule(TextEncoder(committee.model or config.model, len(EMOTIONS)),
                            EmotionLoss(config.loss, class_counts(learned)),
                            committee.weights or config.weights, len(extra) + 1)
        turns = (committee.model or config.model).history_turns
        run = RunFolder.take_up(folder, engine)
        learnt = [examples, *extra, [s.example for s in clean]]
        taught = soft_targets(config.teacher, examples, learnt[1:], folder / 'teacher.safetensors',
                              reporter) if committee.refit else soft
        task = TextTask(module, layout, [dialogues(corpus, turns) for corpus in learnt], config,
                        taught)
        fit(task, engine, run, reporter.named(f'text/committee/{fold}'))
        rows = [row for corpus in (main, *extra, [s.example for s in splices])
                for row in dialogues(corpus, config.model.history_turns)
                if row.example.split == 'train']
        asked = TextData(rows, [0] * len(rows), module.encoder, layout, config.data,
                         training=False)
        answers = np.exp(log_answers(module, asked, layout.pad))
        return dict(zip([row.example.key for row in rows], answers, strict=True))

    return train


def _published_member(config: TextConfig, published: PublishedConfig, count: int,
                      corpora: Sequence[Sequence[Example]], splices: Sequence[Splice],
                      reporter: Reporter) -> Callable[[int, Path], Soft]:
    """
    Return the same for members that are published sentence encoders.

    :param count: of the folds.
    """
    main, *extra = corpora
    folds = folds_of(main, count)
    asked = [e for corpus in (main, *extra, [s.example for s in splices]) for e in corpus
             if e.split == 'train' and e.text]

    def tune(fold: int, folder: Path) -> Soft:
        examples, _ = without(main, (), folds, fold, 0)
        learned = [e.labels for e in examples if e.split == 'train' and e.text]
        engine = with_seed(published.engine, published.engine.seed + fold)
        return published_member(
            published, engine, EmotionLoss(config.loss, class_counts(learned)),
            [examples, *extra], asked, RunFolder.take_up(folder, engine),
            reporter.named(f'text/committee/{fold}'))

    return tune


def _phases(config: TextConfig, module: TextModule, layout: DialogueTokenizer,
            corpora: Sequence[Sequence[Example]], soft: Soft, folder: Path, reporter: Reporter
            ) -> dict[str, object]:
    """Run the phases of the recipe; return the facts of the last."""
    facts: dict[str, object] = {}
    turns = [dialogues(corpus, config.model.history_turns) for corpus in corpora]
    if config.pretrain is not None:
        task = TextTask(module, layout, turns, config, soft)
        facts = _phase('pretrain', task, config.pretrain, folder, reporter)
        if config.distill is not None:
            seen = TextData(task.train_data.rows, task.train_data.domains, module.encoder, layout,
                            config.data, training=False)
            task.train_data.teacher = mixed_targets(module, seen, layout.pad, soft,
                                                    config.distill.share)
            module.weights = config.distill.weights
            facts = _phase('distill', task, config.distill.engine, folder, reporter)
            module.weights = config.weights
    if config.finetune is not None:
        task = TextTask(module, layout, turns[:1], config, soft)
        facts = _phase('finetune', task, config.finetune, folder, reporter)
    return facts


def _phase(name: str, task: TextTask, engine: EngineConfig, folder: Path, reporter: Reporter
           ) -> dict[str, object]:
    run = RunFolder.take_up(folder / name, engine)
    fit(task, engine, run, reporter.named(f'text/{name}'))
    return run.facts()


def _tokenizer(config: TextConfig, encoder: TextEncoder, corpora: Sequence[Sequence[Example]],
               folder: Path) -> Tokenizer:
    """Return the tokenizer of the published GPT, or train one; a resumed run reads its own."""
    path = folder / 'tokenizer.json'
    if config.init:
        return load_gpt(encoder, config.init)  # type: ignore[no-any-return]
    if not path.is_file():
        texts = [e.text for corpus in corpora for e in corpus if e.split == 'train' and e.text]
        tokenizer = train_tokenizer(texts, config.model.vocab_size)
        partial = partial_of(path)
        tokenizer.save(str(partial))
        partial.replace(path)
    return Tokenizer.from_file(str(path))
