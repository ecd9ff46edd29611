"""A small made-up corpus of dialogues whose words tell the emotion."""

from __future__ import annotations

from mmer_ros.networks.text_encoder import TextEncoderConfig
from mmer_ros.types import EMOTIONS
import numpy as np
from training.corpora.examples import Example
from training.encoders.text.module import TextLossWeights
from training.encoders.text.stage import TextConfig
from training.engine.fit import EngineConfig
from training.engine.losses import LossConfig

CUES = ('table door paper', 'wow gosh sudden', 'scared danger dark', 'tears lonely lost',
        'great happy lovely', 'gross rotten filthy', 'furious hate shut')
TINY = TextEncoderConfig(vocab_size=400, n_positions=64, n_embd=32, n_layer=1, n_head=2,
                         history_turns=2, dropout=0.1)


def corpus(dialogues: int = 30, turns: int = 4, seed: int = 0) -> list[Example]:
    """Return dialogues of two speakers; a quarter of them is the dev split."""
    random = np.random.default_rng(seed)
    examples = []
    for d in range(dialogues):
        split = 'dev' if d % 4 == 0 else 'train'
        for turn in range(turns):
            label = int(random.integers(len(EMOTIONS)))
            words = [*random.choice(CUES[label].split(), 2), *random.choice(['a', 'the', 'so'], 2)]
            examples.append(Example(f'{split}/{d}-{turn}', split, ' '.join(words), (label,),
                                    'anna' if turn % 2 else 'ben', f'{split}/{d}', turn))
    return examples


def recipe(epochs: int = 2, **engine: object) -> TextConfig:
    """Return a recipe that takes a second or two, with all losses of the paper."""
    settings = {'epochs': epochs, 'batch_size': 16, 'lr': 3e-3, 'log_steps': 1,
                'checkpoint_steps': 2, **engine}
    return TextConfig.model_validate({
        'model': TINY, 'loss': LossConfig(kind='weighted', strength=0.5),
        'data': {'reply': 0.5, 'history_drop': 0.2, 'token_noise': 0.05},
        'weights': TextLossWeights(language_model=0.2, next_sentence=0.2),
        'finetune': EngineConfig.model_validate(settings)})
