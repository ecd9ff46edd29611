# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The memory of a step, measured before training begins."""

from __future__ import annotations

import io
from pathlib import Path

from accelerate import Accelerator
import pytest
from rich.console import Console
import torch
from torch import nn, Tensor
from training.encoders.text.stage import train_text
from training.engine.fit import Batch, StepOutput
from training.engine.memory import memory_of_step, optimizer_state
from training.engine.progress import Reporter

from ...fixtures.text import corpus, recipe

MB = 1_000_000


class Keeps(nn.Module):
    """Keeps `size` numbers of each row for the backward pass, has a statistic, and draws."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.norm = nn.BatchNorm1d(1)

    def forward(self, batch: Batch) -> StepOutput:
        values = batch['values'][:, None] * self.weight  # (B, size)
        kept = values.exp() * torch.rand(())
        normal: Tensor = self.norm(kept.mean(dim=1, keepdim=True))
        return StepOutput(normal.square().mean() + kept.mean(), normal, {})


def rows(count: int) -> Batch:
    return {'values': torch.ones(count)}


def test_the_memory_of_a_step_grows_with_what_it_keeps() -> None:
    """Forty rows of 8 MB are 320 MB at least; ten rows are enough to know."""
    accelerator, asked = Accelerator(cpu=True), []

    def watched(count: int) -> Batch:
        asked.append(count)
        return rows(count)

    small, large = (memory_of_step(Keeps(size), watched, 40, accelerator)
                    for size in (1000, 2 * MB))
    assert small is not None and large is not None and max(asked) == 10
    assert 320 * MB < large - small < 2000 * MB


def test_what_a_process_takes_once_is_not_multiplied() -> None:
    """As the first call of a library does, which would be much for a batch of 128."""
    module, once = Keeps(1000), []

    def grow(*_: object) -> None:
        once.extend([] if once else [torch.ones(50 * MB)])

    module.register_forward_hook(grow)
    needed = memory_of_step(module, rows, 128, Accelerator(cpu=True))
    plain = memory_of_step(Keeps(1000), rows, 128, Accelerator(cpu=True))
    assert needed is not None and plain is not None and needed - plain < 1000 * MB


def test_trying_a_step_leaves_no_trace() -> None:
    module = Keeps(100)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    memory_of_step(module, rows, 5, Accelerator(cpu=True))
    assert torch.equal(torch.rand(4), expected)
    assert module.weight.grad is None
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_optimizer_keeps_two_numbers_for_each_weight_or_none() -> None:
    module = nn.Linear(10, 10)
    assert optimizer_state(module, True, 0.9) == 2 * 4 * 110
    assert optimizer_state(module, False, 0.0) == 0
    assert optimizer_state(module.requires_grad_(False), True, 0.9) == 0


def test_the_figure_is_printed_before_the_first_step(tmp_path: Path) -> None:
    out = io.StringIO()
    train_text(recipe(epochs=1), corpus(), [], tmp_path,
               Reporter('text', Console(file=out, width=200)))
    printed = out.getvalue()
    assert 'examples needs about' in printed and 'GB of memory' in printed
    assert printed.index('GB of memory') < printed.index('epoch 1')


@pytest.mark.parametrize(('free', 'warned'), [(None, False), (3 * MB, True), (9 * MB, False)])
def test_too_little_memory_is_a_warning_with_what_to_change(free: int | None, warned: bool
                                                            ) -> None:
    out = io.StringIO()
    Reporter('audio', Console(file=out, width=300)).needs_memory(8, 5 * MB, free)
    assert ('engine.accumulate' in out.getvalue()) == warned
