# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The memory that a step of training needs, measured on some of its items before it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
import re
from typing import Any

from accelerate import Accelerator
import torch
from torch import nn, Tensor

STATUS, CLEAR = Path('/proc/self/status'), Path('/proc/self/clear_refs')
FEW = 2  # batch normalisation refuses a single one
RESET_PEAK = '5'  # what the kernel's proc(5) calls resetting the peak resident set


def memory_of_step(module: nn.Module, batch_of: Callable[[int], Mapping[str, Any]], count: int,
                   accelerator: Accelerator) -> int | None:
    """
    Return the bytes that forward and backward pass of a batch take, all of the process included.

    Two parts of the batch are tried: the difference is what the other items add, while that which
    a process or a library takes once is not multiplied. Nothing is learnt: gradients,
    statistics and random numbers are afterwards as before.

    :param batch_of: makes a batch of that many items, on the module's device.
    :param count: items of the whole batch.
    :return: None where it cannot be measured, as on a CPU without Linux.
    """
    peak = _peak_of(accelerator.device)
    if peak is None:
        return None
    few = min(FEW, count)
    more = min(count, max(2 * FEW, count // 4))
    used = [_try(module, batch_of(size), accelerator, peak) for size in (few, more)]
    each = max(0, used[1] - used[0]) / max(1, more - few)
    return round(used[1] + each * (count - more))


def _try(module: nn.Module, batch: Mapping[str, Any], accelerator: Accelerator,
         peak: Callable[[], int]) -> int:
    """Return the most bytes in use during forward and backward pass of a batch."""
    statistics = {name: buffer.clone() for name, buffer in module.named_buffers()}
    module.train()
    peak()  # resets it
    with torch.random.fork_rng():
        with accelerator.autocast():
            loss: Tensor = module(batch).loss
        loss.backward()
    used = peak()
    module.zero_grad(set_to_none=True)
    for name, buffer in module.named_buffers():
        buffer.data.copy_(statistics[name])
    return used


def optimizer_state(module: nn.Module, adaptive: bool, momentum: float) -> int:
    """Return the bytes of the state that the optimizer adds in its first step."""
    copies = 2 if adaptive else 1 if momentum else 0
    return copies * sum(_bytes(p) for p in module.parameters() if p.requires_grad)


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that this process can have, those that it has included; None: unknown."""
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device))
    found = _kilobytes(Path('/proc/meminfo'), 'MemAvailable')
    own = _kilobytes(STATUS, 'VmRSS')
    return None if found is None or own is None else found + own


def _peak_of(device: torch.device) -> Callable[[], int] | None:
    """Return a function that gives the most bytes in use since its last call, then resets it."""
    if device.type == 'cuda':
        def on_gpu() -> int:
            most = torch.cuda.max_memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            return most
        return on_gpu

    def on_cpu() -> int:
        most = _kilobytes(STATUS, 'VmHWM') or 0
        CLEAR.write_text(RESET_PEAK)
        return most

    try:
        on_cpu()
    except OSError:
        return None
    return on_cpu


def _kilobytes(path: Path, name: str) -> int | None:
    """Return a line of a file of the kernel, `VmHWM:  1234 kB`, in bytes."""
    try:
        found = re.search(rf'^{name}:\s+(\d+) kB', path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
