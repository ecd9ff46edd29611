"""
A committee: small networks, each trained without a part of the dialogues, as further teachers.

What it says of a training example comes from the member that never saw its dialogue, so that it
teaches what can be told from the words, not what was learnt by heart (cross-fitting). Without
`refit` this holds in part only: the linear models, which teach the members on extra text, saw all
dialogues, and what they learnt by heart reaches the members with their answers. The scores that
are kept are too good then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import json
from pathlib import Path

from mmer_ros.evaluation.metrics import score
from mmer_ros.networks.text_encoder import TextEncoderConfig
from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import safetensors.numpy
from sklearn.model_selection import GroupKFold
from training.corpora.examples import Example
from training.encoders.text.hub_teacher import PublishedConfig
from training.encoders.text.module import TextLossWeights
from training.encoders.text.sentence_splicing import Splice
from training.engine.config import Settings
from training.engine.files import partial_of, write_file
from training.engine.fit import EngineConfig

Probabilities = NDArray[np.float32]  # (N, 7)
Soft = Mapping[str, Probabilities]  # (7,) by key


class CommitteeConfig(Settings):
    """
    How many networks teach, beside the linear models, and how they are trained.

    :param folds: into which the dialogues are parted; each member leaves one of them out.
    :param members: networks; if they are fewer than the folds, they save time, and for the
        dialogues of the folds that are left the linear models answer alone.
    :param share: of the committee in the targets; the rest is what the linear models say.
    :param splices: that each member learns from at most; less makes it faster.
    :param model: sizes of a member; None: those of the network that is to be trained.
    :param weights: of a member's losses; None: those of the network that is to be trained.
    :param refit: the linear models are fitted anew for each member, without its fold; it costs the
        time of one more teacher a member.
    :param warm_start: the network that is to be trained begins with the weights of the first
        member instead of random ones; it needs the same sizes. Of a published one it takes what
        it makes of each token for its embeddings.
    :param published: the members are sentence encoders of the hub, fine-tuned, instead of small
        networks; `splices`, `model`, `weights`, `refit` and `engine` are not used then.
    :param engine: of each member; its seed is that of the first.
    """

    folds: int = Field(4, ge=2)
    members: int = Field(4, ge=1)
    share: float = Field(0.5, gt=0, le=1)
    splices: int = Field(50_000, ge=0)
    model: TextEncoderConfig | None = None
    weights: TextLossWeights | None = None
    refit: bool = False
    warm_start: bool = False
    published: PublishedConfig | None = None
    engine: EngineConfig = EngineConfig()


def folds_of(main: Sequence[Example], count: int) -> dict[str, int]:
    """Return for each dialogue of the train split its fold, which one member does not see."""
    groups = [e.group or e.key for e in main if e.split == 'train' and e.text]
    folds = GroupKFold(min(count, len(set(groups)))).split(groups, groups=groups)
    return {groups[i]: fold for fold, (_, left_out) in enumerate(folds) for i in left_out}


def without(main: Sequence[Example], splices: Sequence[Splice], folds: Mapping[str, int],
            fold: int, most: int) -> tuple[list[Example], list[Splice]]:
    """
    Return the corpus with a fold for its dev split, and the splices that have nothing of it.

    The corpus's own dev split is not among them: what it says decides about no member.

    :param most: splices at most.
    """
    examples = [replace(e, split='dev') if folds[e.group or e.key] == fold else e
                for e in main if (e.group or e.key) in folds and e.split == 'train']
    clean = [s for s in splices if all(folds.get(group) != fold for group in s.groups)]
    return examples, clean[:most]


def committee_targets(config: CommitteeConfig, main: Sequence[Example],
                      keys: Sequence[Sequence[str]], soft: Soft, folder: Path,
                      member: Callable[[int, Path], Soft]) -> dict[str, Probabilities]:
    """
    Return new soft targets by key: the mean of the committee and the teacher so far.

    :param keys: of the training examples of the main corpus, then of each of the others.
    :param soft: what the teacher says so far, of all keys.
    :param folder: of the run; answers are kept there for a resumed one, and scores.
    :param member: trains the network that leaves out a fold, and returns what it says by key.
    """
    folds = folds_of(main, config.folds)
    own = {e.key: folds[e.group or e.key] for e in main if (e.group or e.key) in folds}
    said = [_kept(fold, keys, folder / f'{fold}', member)
            for fold in range(min(config.members, max(folds.values()) + 1))]
    target = {key: soft[key] for corpus in keys for key in corpus}
    for key in target:
        if own.get(key, 0) < len(said):
            answer = (said[own[key]][key] if key in own
                      else np.mean([answers[key] for answers in said], axis=0))
            target[key] = (config.share * answer + (1 - config.share) * soft[key]).astype('f4')
    asked = [e for e in main if own.get(e.key, len(said)) < len(said) and len(e.labels) == 1]
    alone = {e.key: said[own[e.key]][e.key] for e in asked}
    facts = {name: _scores(asked, answers) for name, answers in
             (('linear', soft), ('members', alone), ('both', target))}
    write_file(folder / 'scores.json', json.dumps(facts, indent=2).encode())
    return target


def _kept(fold: int, keys: Sequence[Sequence[str]], folder: Path,
          member: Callable[[int, Path], Soft]) -> dict[str, Probabilities]:
    """Return what a member says, as kept from an earlier run if there was one."""
    path, order = folder / 'answers.safetensors', [key for corpus in keys for key in corpus]
    if not path.is_file():
        said = member(fold, folder)
        partial = partial_of(path)
        safetensors.numpy.save_file({'answers': np.stack([said[key] for key in order])}, partial)
        partial.replace(path)
    answers = safetensors.numpy.load_file(path)['answers']
    return dict(zip(order, answers, strict=True))


def _scores(examples: Sequence[Example], answers: Soft) -> dict[str, float]:
    """Score answers to training examples by those who never saw them."""
    labels = np.array([e.labels[0] for e in examples])
    found = score(labels, np.stack([answers[e.key] for e in examples]).reshape(-1, len(EMOTIONS)))
    return {'weighted_f1': found.weighted_f1, 'accuracy': found.accuracy, 'nll': found.nll}
