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

from dataclasses import asdict, dataclass
import errno
import json
from pathlib import Path
import shutil

from accelerate import Accelerator
from mmer_ros.types import InvalidInput
import safetensors.torch
from torch.optim.swa_utils import AveragedModel
from training.engine.run_folder import replace_folder, RunFolder

KEPT = 2
PROGRESS, AVERAGE = 'progress.json', 'average.safetensors'


@dataclass
class Progress:
    """
    Position of a run.

    :param batch: batches of the epoch that are done.
    :param step: optimizer steps that are done.
    :param stale: evaluations since the best one.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0


def save(run: RunFolder, accelerator: Accelerator, progress: Progress,
         average: AveragedModel | None) -> None:
    """
    Write a checkpoint and remove all but the last KEPT.

    :raises InvalidInput: if the disk is full; earlier checkpoints stay.
    """
    folder = run.path / 'checkpoints'
    final = folder / f'step-{progress.step:08d}-{progress.batch:06d}'
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
            (partial / PROGRESS).write_text(json.dumps(asdict(progress)))
            if average is not None:
                safetensors.torch.save_file(
                    {k: v.contiguous() for k, v in average.state_dict().items()},
                    partial / AVERAGE)
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
    return sorted((run.path / 'checkpoints').glob('step-*'))


def restore(run: RunFolder, accelerator: Accelerator, average: AveragedModel | None) -> Progress:
    """Load the last checkpoint, if there is one, and return the position of the run."""
    found = checkpoints(run)
    if not found:
        return Progress()
    accelerator.load_state(str(found[-1]))
    if average is not None:
        average.load_state_dict(safetensors.torch.load_file(found[-1] / AVERAGE))
    return Progress(**json.loads((found[-1] / PROGRESS).read_text()))
