"""What a trained text encoder says by its own classifier."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.text_encoder import DialogueTokenizer, TextEncoder
from mmer_ros.types import InvalidInput
import numpy as np
import torch
from training.corpora.examples import Example
from training.encoders import TrainedEncoder
from training.engine.sampling import OrderedBatches
from training.predictions import Predictions
from training.text.data import collate_text, dialogues, TextData, TextDataConfig


@torch.inference_mode()
def predict_text(trained: TrainedEncoder, examples: Sequence[Example], *, split: str,
                 with_reply: bool = False, name: str = 'text') -> Predictions:
    """
    Return the answers on the labelled examples of a split.

    :param examples: of the whole corpus, for the history.
    :param with_reply: offline: the network also sees the turn that follows.
    """
    encoder = trained.encoder
    assert isinstance(encoder, TextEncoder) and trained.tokenizer is not None
    layout = DialogueTokenizer(trained.tokenizer)
    rows = [d for d in dialogues(examples, encoder.config.history_turns)
            if d.example.split == split and d.example.labels]
    if not rows:
        raise InvalidInput(f'no labelled text in the {split} split; give a corpus that has some')
    data = TextData(rows, [0] * len(rows), encoder, layout, TextDataConfig(), training=False,
                    with_reply=with_reply)
    logits = np.zeros((len(rows), 7), np.float32)
    for draws in OrderedBatches(data.sizes, 64):
        batch = collate_text([data[draw] for draw in draws], layout.pad)
        hidden, _ = encoder(batch['ids'], batch['types'], batch['lengths'])
        last = hidden[torch.arange(len(hidden)), batch['lengths'] - 1]
        logits[[draw.row for draw in draws]] = encoder.classifier(last).numpy()
    return Predictions(name, [d.example.key for d in rows],
                       np.array([d.example.labels[0] for d in rows], np.int64), logits)
