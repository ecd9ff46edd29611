# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train text`: GPT over history, current sentence and reply (section 4.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from mmer_ros.networks.hub_configs import HubTextConfig
from mmer_ros.networks.hub_text_input import SpeakerTokenizer
from mmer_ros.networks.hub_weights import hub_tokenizer
from mmer_ros.networks.pretrained import load_gpt
from mmer_ros.networks.text_encoder import TextEncoder, TextEncoderConfig
from mmer_ros.networks.text_input import Layout
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
from pydantic import Field, field_validator, model_validator, SerializeAsAny
from tokenizers import Tokenizer
import torch
from training.augment.asr_errors import AsrSimulator
from training.corpora.examples import DEV, Example, TRAIN
from training.encoders.text.data import (
    collate_text,
    Dialogue,
    dialogues,
    TextData,
    TextDataConfig,
    TextItem,
)
from training.encoders.text.hub_teacher import hub_targets, HubTeacherConfig, token_embeddings
from training.encoders.text.linear_teacher import (
    learnable,
    linear_targets,
    LinearTeacherConfig,
    SoftTargets,
)
from training.encoders.text.module import TextLossWeights, TextModule
from training.encoders.text.sentence_splicing import spliced
from training.encoders.text.tokenizer import RememberingTokenizer, train_tokenizer
from training.encoders.trained_encoder import is_encoder, TrainedEncoder
from training.encoders.tuning import (
    check_tuning,
    merge,
    parse_model,
    prepare,
    start_hub_encoder,
    TuningConfig,
)
from training.engine.config import Settings
from training.engine.files import write_file
from training.engine.fit import Batch, EngineConfig, fit, Task
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder


class TextConfig(Settings):
    """
    Recipe of a text encoder.

    :param init: published GPT to start from, by name or folder (`openai-gpt`), or with
        `model.backbone: huggingface` any published text model, or a run that trained one; '':
        train from scratch, with a tokenizer trained on the corpora.
    :param linear_teacher: soft targets by linear models; None: labels only.
    :param hub_teacher: soft targets by a fine-tuned sentence encoder, mixed with the linear ones.
    :param spliced_sentences: unlabelled sentences, spliced from the corpora, that the teachers
        label.
    :param pretrain: epochs over the main and the extra corpora together; None: none.
    :param finetune: epochs over the main corpus alone; None: none.
    """

    model: SerializeAsAny[TextEncoderConfig | HubTextConfig] = TextEncoderConfig()
    init: str = ''
    tuning: TuningConfig = TuningConfig()
    data: TextDataConfig = TextDataConfig()
    loss: LossConfig = LossConfig()
    weights: TextLossWeights = TextLossWeights()
    linear_teacher: LinearTeacherConfig | None = None
    hub_teacher: HubTeacherConfig | None = None
    spliced_sentences: int = Field(0, ge=0)
    pretrain: EngineConfig | None = None
    finetune: EngineConfig | None = Field(default_factory=EngineConfig)

    @field_validator('model', mode='before')
    @classmethod
    def _model(cls, values: Any) -> Any:
        return parse_model(Modality.TEXT, values)

    @model_validator(mode='after')
    def _check(self) -> Self:
        check_tuning(self.model, self.init, self.tuning)
        if isinstance(self.model, HubTextConfig) and (
                self.weights.language_model or self.weights.next_sentence or self.hub_teacher):
            raise ValueError('model.backbone huggingface learns emotions alone; set '
                             'weights.language_model=0 and weights.next_sentence=0, and leave out '
                             'hub_teacher')
        if self.pretrain is None and self.finetune is None:
            raise ValueError('pretrain and finetune are both null; give at least one')
        if self.hub_teacher and (self.init or self.linear_teacher is None):
            raise ValueError('hub_teacher works beside a linear_teacher, for a network from '
                             'scratch; leave init empty and give a linear_teacher')
        return self


def train_text(config: TextConfig, main: Sequence[Example], extra: Sequence[Sequence[Example]],
               folder: Path, reporter: Reporter) -> TrainedEncoder:
    """
    Train, or resume training, a text encoder.

    :param main: the target corpus; its dev split decides which weights are kept.
    :param extra: other corpora, for `pretrain` and the tokenizer.
    :param folder: of the run, with a folder for each phase and the result in `encoder/`.
    """
    RunFolder.start(folder, config)
    torch.manual_seed((config.pretrain or config.finetune or EngineConfig()).seed)
    encoder, tokenizer = _encoder(config, [main, *extra], folder)
    splices = spliced(main, extra, config.spliced_sentences) if config.spliced_sentences else []
    corpora = [main, *extra, *([splices] if splices else [])]
    loss = EmotionLoss.from_labels(config.loss, [e.labels for e in learnable(main)])
    module = TextModule(encoder, loss, config.weights, len(corpora) - 1)
    module.frozen = config.tuning.method == 'frozen'
    targets: SoftTargets = {}
    if config.linear_teacher:
        targets = linear_targets(config.linear_teacher, main, corpora[1:],
                                 folder / 'teacher.safetensors', reporter)
    if config.hub_teacher:
        targets = hub_targets(config.hub_teacher, config.loss, main, extra, targets, splices,
                              folder / 'teacher', reporter)
        if config.hub_teacher.warm_start:
            _warm_start(encoder, config.hub_teacher, tokenizer, folder / 'teacher' / '0')
    hub = isinstance(config.model, HubTextConfig)
    layout = SpeakerTokenizer(tokenizer, encoder.config) if hub else (
        RememberingTokenizer(tokenizer))
    facts: dict[str, object] = {}
    turns = [dialogues(corpus, config.model.history_turns) for corpus in corpora]
    for phase, engine, chosen in (('pretrain', config.pretrain, turns),
                                  ('finetune', config.finetune, turns[:1])):
        if engine is not None:
            run = RunFolder.start(folder / phase, engine)
            task = text_task(module, layout, chosen, config.data, targets)
            fit(task, engine, run, reporter.named(f'text/{phase}'))
            facts = run.facts()
    if hub:
        merge(encoder, Modality.TEXT, config.tuning)
    result = TrainedEncoder(Modality.TEXT, encoder.config, encoder, facts, tokenizer)
    result.save(folder / 'encoder')
    return result


def text_task(module: TextModule, tokenizer: Layout, corpora: Sequence[Sequence[Dialogue]],
              config: TextDataConfig, targets: SoftTargets) -> Task:
    """
    Return the task of a phase: all train splits, and the dev split of the first corpus.

    :raises InvalidInput: if a split has no text.
    """
    rows = [(row, number) for number, corpus in enumerate(corpora) for row in corpus]
    train = [(row, number) for row, number in rows if row.example.split == TRAIN]
    dev = [(row, 0) for row in corpora[0] if row.example.split == DEV]
    for split, members in ((TRAIN, train), (DEV, dev)):
        if not members:
            raise InvalidInput(f'train text: the corpus has no text in its {split} split; '
                               'give one that has')
    recogniser = (AsrSimulator(row.example.text for row, _ in train)
                  if config.asr.share else None)

    def data(members: Sequence[tuple[Dialogue, int]], training: bool) -> TextData:
        return TextData([row for row, _ in members], [n for _, n in members], module.encoder,
                        tokenizer, config, training=training, targets=targets,
                        recogniser=recogniser, with_reply=config.eval_reply and not training)

    def collate(items: Sequence[TextItem]) -> Batch:
        return collate_text(items, tokenizer.pad)

    return Task(module, data(train, True), data(dev, False), collate)


def _warm_start(encoder: TextEncoder, teacher: HubTeacherConfig, tokenizer: Tokenizer,
                first: Path) -> None:
    """Initialise the token embeddings with those of the first member."""
    embedding = encoder.gpt.tokens_embed.weight
    known = token_embeddings(teacher, RunFolder(first), tokenizer, embedding.shape[1])
    with torch.no_grad():
        embedding[:len(known)] = known


def _encoder(config: TextConfig, corpora: Sequence[Sequence[Example]], folder: Path
             ) -> tuple[Any, Tokenizer]:
    """Return the encoder as training begins, and its tokenizer; a resumed run reads its own."""
    path = folder / 'tokenizer.json'
    if isinstance(config.model, HubTextConfig):
        last = 'finetune' if config.finetune else 'pretrain'
        encoder = start_hub_encoder(config.model, config.init, Modality.TEXT, folder,
                                    finished=RunFolder(folder / last).finished)
        if not path.is_file():
            write_file(path, _published_tokenizer(config.init).to_str(pretty=True).encode())
        prepare(encoder, Modality.TEXT, config.tuning)
        return encoder, Tokenizer.from_file(str(path))
    gpt = TextEncoder(config.model, len(EMOTIONS))
    if config.init:
        return gpt, load_gpt(gpt, config.init)
    if not path.is_file():
        texts = [e.text for corpus in corpora for e in learnable(corpus)]
        tokenizer = train_tokenizer(texts, config.model.vocab_size)
        write_file(path, tokenizer.to_str(pretty=True).encode())
    return gpt, Tokenizer.from_file(str(path))


def _published_tokenizer(init: str) -> Tokenizer:
    """Return the tokenizer of a published network, or of a run that began from one."""
    if not is_encoder(Path(init)):
        return hub_tokenizer(init)
    tokenizer = TrainedEncoder.load(Path(init), Modality.TEXT).tokenizer
    assert tokenizer is not None  # every text encoder has one
    return tokenizer
