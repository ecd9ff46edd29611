# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Checkpoints: the whole state of a run, written atomically, so that it resumes bit for bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
import errno
import json
import logging
from pathlib import Path
import shutil

from accelerate import Accelerator
from mmer_ros.types import InvalidInput
import safetensors.torch
from torch.optim.swa_utils import AveragedModel
from training.engine.files import sha256_of
from training.engine.run_folder import replace_folder, RunFolder

KEPT = 2
PROGRESS, AVERAGE, HASHES = 'progress.json', 'average.safetensors', 'sha256.json'
DAMAGED = 'damaged-'  # before the name of a checkpoint that could not be read
LOGGER = logging.getLogger('training')


@dataclass
class Progress:
    """
    Position of a run.

    :param batch: batches of the epoch that are done.
    :param step: optimizer steps that are done.
    :param stale: evaluations since the best one.
    :param lines: of metrics that were written; None in checkpoints of older versions.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    lines: int | None = None


def save(run: RunFolder, accelerator: Accelerator, progress: Progress,
         average: AveragedModel | None) -> None:
    """
    Write a checkpoint and remove all but the last KEPT.

    :raises InvalidInput: if the disk is full; earlier checkpoints stay.
    """
    folder = run.path / 'checkpoints'
    # At the end of an epoch the batch is 0, and the epoch is the next one: it is the newer one.
    final = folder / f'step-{progress.step:08d}-{progress.epoch:04d}-{progress.batch:06d}'
    partial = folder / '.partial'
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    accelerator.wait_for_everyone()
    try:
        # On a GPU the weights of a GRU share one tensor, which safetensors refuses.
        accelerator.save_state(str(partial), safe_serialization=False)
        accelerator.wait_for_everyone()  # each process writes its random state
        if accelerator.is_main_process:
            if average is not None:
                safetensors.torch.save_file(
                    {k: v.contiguous() for k, v in average.state_dict().items()},
                    partial / AVERAGE)
            (partial / HASHES).write_text(json.dumps(
                {path.name: sha256_of(path) for path in sorted(partial.iterdir())}))
            (partial / PROGRESS).write_text(json.dumps(asdict(
                replace(progress, lines=run.lines))))
            replace_folder(partial, final)
            for old in checkpoints(run)[:-KEPT]:
                shutil.rmtree(old)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if getattr(error, 'errno', None) == errno.ENOSPC or 'No space' in str(error) \
                or 'PytorchStreamWriter' in str(error):
            raise InvalidInput(f'run {run.path}: the disk is full; free some space and repeat the '
                               'command, it resumes from the last checkpoint') from error
        raise
    accelerator.wait_for_everyone()


def checkpoints(run: RunFolder) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    return sorted((run.path / 'checkpoints').glob('step-*'), key=_position)


def restore(run: RunFolder, accelerator: Accelerator, average: AveragedModel | None) -> Progress:
    """
    Load the last checkpoint that can be read, and return the position of the run.

    A damaged one is reported and set aside, beside the others.

    :raises InvalidInput: if there are checkpoints, but none can be read.
    """
    found = checkpoints(run)
    for folder in reversed(found):
        problem = damage(folder)
        if not problem:
            return _load(folder, accelerator, average)
        LOGGER.warning('run %s: the checkpoint %s is damaged (%s); going on from the one before',
                       run.path, folder.name, problem)
        accelerator.wait_for_everyone()  # all have looked at it
        if accelerator.is_main_process:
            replace_folder(folder, folder.with_name(DAMAGED + folder.name))
        accelerator.wait_for_everyone()
    if found:
        raise InvalidInput(f'run {run.path}: none of its {len(found)} checkpoints can be read; '
                           'remove its folder checkpoints to train from the beginning')
    return Progress()


def damage(folder: Path) -> str:
    """Return what is wrong with the files of a checkpoint; '' if they are as they were written."""
    try:
        _progress(folder)
        hashes = folder / HASHES
        wanted = json.loads(hashes.read_text()) if hashes.is_file() else {}  # older versions
        for name, sha256 in wanted.items():
            if sha256_of(folder / name) != sha256:
                return f'{name} has changed'
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return str(error)
    return ''


def _load(folder: Path, accelerator: Accelerator, average: AveragedModel | None) -> Progress:
    accelerator.load_state(str(folder))
    if average is not None:
        average.load_state_dict(safetensors.torch.load_file(folder / AVERAGE))
    return _progress(folder)


def _progress(folder: Path) -> Progress:
    return Progress(**json.loads((folder / PROGRESS).read_text()))


def _position(folder: Path) -> tuple[int, ...]:
    """Return step, epoch and batch; names of older versions have no epoch."""
    step, *epoch, batch = (int(part) for part in folder.name.split('-')[1:])
    return step, *(epoch or [not batch]), batch
