# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Cross-fitted teachers: each member of the ensemble is trained without one fold of dialogues.

A training example gets its soft target from the member that has not seen its dialogue, so that
memorised labels are not taught.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import json
from pathlib import Path

from mmer_ros.evaluation.metrics import score
import numpy as np
from pydantic import Field
import safetensors.numpy
from sklearn.model_selection import GroupKFold
from training.corpora.examples import DEV, Example, TRAIN
from training.encoders.text.linear_teacher import learnable, SoftTargets
from training.engine.config import Settings
from training.engine.files import write_file


class CrossFittingConfig(Settings):
    """
    Folds and weight of the ensemble.

    :param folds: of dialogues; each member leaves one out.
    :param members: trained members. With fewer than `folds`, the dialogues of the other folds
        keep the targets of the linear teacher.
    :param share: of the ensemble in the targets; the rest comes from the linear teacher.
    """

    folds: int = Field(4, ge=2)
    members: int = Field(4, ge=1)
    share: float = Field(0.5, gt=0, le=1)


def folds_of(main: Sequence[Example], count: int) -> dict[str, int]:
    """Return the fold of each dialogue of the train split."""
    groups = [e.group or e.key for e in learnable(main)]
    folds = GroupKFold(min(count, len(set(groups)))).split(groups, groups=groups)
    return {groups[i]: fold for fold, (_, held_out) in enumerate(folds) for i in held_out}


def without_fold(main: Sequence[Example], folds: Mapping[str, int], fold: int) -> list[Example]:
    """Return the training examples with one fold as dev split, in place of the real one."""
    return [replace(e, split=DEV) if folds[e.group or e.key] == fold else e
            for e in main if e.split == TRAIN and (e.group or e.key) in folds]


def cross_fitted_targets(config: CrossFittingConfig, main: Sequence[Example], keys: Sequence[str],
                         linear: SoftTargets, folder: Path,
                         member: Callable[[int, Path], SoftTargets]) -> SoftTargets:
    """
    Return the mean of the ensemble's and the linear teacher's targets.

    :param keys: of all training examples with text, labelled or not.
    :param folder: keeps predictions for a resumed run, and scores.
    :param member: trains the member that leaves out a fold and returns its predictions.
    """
    folds = folds_of(main, config.folds)
    own = {e.key: folds[e.group or e.key] for e in learnable(main)}
    members = [_kept(fold, keys, folder / f'{fold}', member)
               for fold in range(min(config.members, max(folds.values()) + 1))]
    targets = dict(linear)
    for key in keys:
        fold = own.get(key, 0)
        if fold < len(members):
            found = (members[fold][key] if key in own
                     else np.mean([each[key] for each in members], axis=0))
            targets[key] = (config.share * found + (1 - config.share) * linear[key]).astype('f4')
    scored = [e for e in learnable(main) if own[e.key] < len(members) and len(e.labels) == 1]
    unseen = {e.key: members[own[e.key]][e.key] for e in scored}
    facts = {name: _scores(scored, each) for name, each in (
        ('linear', linear), ('members', unseen), ('both', targets))}
    write_file(folder / 'scores.json', json.dumps(facts, indent=2).encode())
    return targets


def _kept(fold: int, keys: Sequence[str], folder: Path,
          member: Callable[[int, Path], SoftTargets]) -> SoftTargets:
    """Return the predictions of a member, from an earlier run if there was one."""
    path = folder / 'answers.safetensors'
    if not path.is_file():
        found = member(fold, folder)
        write_file(path, safetensors.numpy.save({'answers': np.stack([found[k] for k in keys])}))
    return dict(zip(keys, safetensors.numpy.load_file(path)['answers'], strict=True))


def _scores(examples: Sequence[Example], targets: SoftTargets) -> dict[str, float]:
    labels = np.array([e.labels[0] for e in examples])
    found = score(labels, np.stack([targets[e.key] for e in examples]))
    return {'weighted_f1': found.weighted_f1, 'accuracy': found.accuracy, 'nll': found.nll}
