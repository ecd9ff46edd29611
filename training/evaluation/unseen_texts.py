# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Texts of dialogues that an encoder has not learnt from: its logits, as written and as heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import io
from pathlib import Path
from typing import Self

from mmer_ros.evaluation.metrics import bootstrap_interval, Interval, weighted_f1
from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.crossmodal import summary
from mmer_ros.types import InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
import torch
from training.corpora.examples import Example
from training.encoders.text.data import dialogues
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.files import write_file
from training.evaluation.asr_errors import transcripts

BATCH = 64
ARRAYS = ('logits_written', 'logits_heard', 'labels', 'dialogue', 'split')


@dataclass(frozen=True)
class UnseenTexts:
    """
    Logits of encoders that have not learnt from the dialogues, e.g. for calibration.

    :param logits_written: (N, 7) for the texts as they are in the corpus.
    :param logits_heard: (N, 7) for the same texts without case and punctuation, as a speech
        recogniser without errors writes them, the turns before included.
    :param labels: (N,) indices into EMOTIONS.
    :param dialogue: (N,) names of the dialogues.
    :param split: (N,) 'train' where the encoder of a fold answered, 'dev' where the one did that
        was trained on the whole train split.
    """

    logits_written: NDArray[np.float32]
    logits_heard: NDArray[np.float32]
    labels: NDArray[np.int64]
    dialogue: NDArray[np.str_]
    split: NDArray[np.str_]

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several parts, in order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS))

    def save(self, path: Path) -> None:
        """Write the arrays to a file .npz."""
        buffer = io.BytesIO()
        np.savez(buffer, **{name: getattr(self, name) for name in ARRAYS})
        write_file(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """
        Read a file that `save` has written.

        :raises InvalidInput: if it is not there, or lacks an array.
        """
        try:
            with np.load(path) as file:
                return cls(*(file[name] for name in ARRAYS))
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f'unseen texts {path}: it cannot be read ({error}); make it with '
                               '`python -m training texts`') from error

    def of(self, split: str) -> UnseenTexts:
        """Return the rows of a split."""
        rows = self.split == split
        return UnseenTexts(*(getattr(self, name)[rows] for name in ARRAYS))

    def scores(self) -> dict[str, Interval]:
        """Return the weighted F1 as written and as heard, with intervals over the examples."""
        return {name: bootstrap_interval(weighted_f1, self.labels, softmax(logits, axis=1))
                for name, logits in (('as written', self.logits_written),
                                     ('as heard', self.logits_heard))}


def unseen_texts(encoder: TrainedEncoder, examples: Sequence[Example], split: str, name: str = ''
                 ) -> UnseenTexts:
    """
    Return the answers of an encoder to the labelled texts of a split, which it has not learnt.

    :param name: what `UnseenTexts.split` calls the rows (default: as the split).
    """
    own = [e for e in examples if e.split == split and e.text]
    heard = transcripts(examples, split, 0.0)
    known = [i for i, e in enumerate(own) if e.labels]
    return UnseenTexts(
        text_logits(encoder, own)[known], text_logits(encoder, heard)[known],
        np.array([own[i].labels[0] for i in known], np.int64),
        np.array([own[i].group or own[i].key for i in known]),
        np.array([name or split] * len(known)))


@torch.inference_mode()
def text_logits(trained: TrainedEncoder, examples: Sequence[Example]) -> NDArray[np.float32]:
    """
    Return the logits of an encoder's own classifier, (N, 7), each text with the turns before it.

    :param examples: with text, whole dialogues.
    """
    encoder = trained.encoder.eval()
    if trained.tokenizer is not None:
        encoder.use_tokenizer(trained.tokenizer)
    rows = dialogues(examples, trained.config.history_turns)
    order = np.argsort([len(row.example.text) for row in rows], kind='stable')
    logits = np.zeros((len(rows), encoder.classifier[-1].out_features), np.float32)
    for start in range(0, len(order), BATCH):
        part = order[start:start + BATCH]
        features, mask = encoder.encode(
            [rows[i].example.text for i in part],
            [DialogueContext(rows[i].example.speaker, rows[i].history) for i in part])
        logits[part] = encoder.classifier(summary(Modality.TEXT, features, mask)).numpy()
    return logits
