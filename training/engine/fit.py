# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The training loop of every stage, on accelerate: one device, many, or many machines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
import math
import signal
from types import FrameType
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, send_to_device, set_seed
from mmer_ros.evaluation.metrics import score
from mmer_ros.types import InvalidInput
import numpy as np
from pydantic import Field, model_validator
import safetensors.torch
from scipy.special import softmax
import torch
from torch import nn, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from training.engine import checkpoints
from training.engine.checkpoints import Progress
from training.engine.config import Settings
from training.engine.device import CPU
from training.engine.loss_watch import LossWatch
from training.engine.memory import free_memory, memory_of_step, optimizer_state
from training.engine.progress import Reporter
from training.engine.run_folder import replace_folder, RunFolder
from training.engine.sampling import BucketBatches, Draw, OrderedBatches
from training.engine.speed import Speed

Batch = dict[str, Any]
Item = TypeVar('Item')
MONITORED = 'weighted_f1'


class EngineConfig(Settings):
    """
    How to optimise.

    :param batch_size: examples per device and batch; `accumulate` batches make one optimizer step.
    :param precision: accelerate's mixed precision.
    :param warmup: share of all steps during which the learning rate rises to `lr`.
    :param clip_norm: largest norm of the gradient; longer ones are scaled down. 0: not limited.
    :param average: decay of an exponential moving average of the weights; the average is then
        evaluated and kept. 0: off.
    :param keep: keep the weights of the epoch with the best dev score, or those of the last
        epoch. On a small dev split the best of many epochs looks better than it is.
    :param patience: stop after this many epochs without a better dev score; 0: never.
    :param checkpoint_steps: optimizer steps between checkpoints; each epoch ends with one, too.
    :param workers: additional processes that load data.
    """

    seed: int = 0
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(1, ge=1)
    precision: Literal['no', 'fp16', 'bf16'] = 'no'
    optimizer: Literal['adamw', 'sgd'] = 'adamw'
    lr: float = Field(1e-3, gt=0)
    momentum: float = 0.9
    weight_decay: float = Field(0.01, ge=0)
    schedule: Literal['constant', 'cosine'] = 'cosine'
    warmup: float = Field(0.05, ge=0, lt=1)
    clip_norm: float = Field(1.0, ge=0)
    average: float = Field(0.0, ge=0, lt=1)
    keep: Literal['best', 'last'] = 'best'
    patience: int = Field(0, ge=0)
    checkpoint_steps: int = Field(500, ge=1)
    log_steps: int = Field(20, ge=1)
    workers: int = Field(0, ge=0)

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.keep == 'last' and self.patience:
            raise ValueError('patience waits for a better dev score, which keep=last ignores; '
                             'set patience=0 or keep=best')
        return self


class StepOutput(NamedTuple):
    """
    Loss and answers of a module for a batch.

    :param loss: scalar to minimise.
    :param logits: (B, 7) of the emotions.
    :param parts: named terms of the loss, to be logged.
    """

    loss: Tensor
    logits: Tensor
    parts: dict[str, Tensor]


class DrawnDataset(Dataset[Item]):
    """
    A dataset that is indexed by draws: workers and resumed runs see the same examples.

    :ivar sizes: of the items, e.g. in tokens; batches are made of items of similar size.
    :cvar largest_batch: largest size of a padded batch, its items times the longest of them, for
        training in one process; 0: no limit, for items whose sizes are limited.
    """

    sizes: Sequence[int]
    largest_batch: ClassVar[int] = 0

    @abstractmethod
    def __getitem__(self, draw: Draw) -> Item: ...

    def __len__(self) -> int:
        return len(self.sizes)


class Task(NamedTuple):
    """
    What a stage trains.

    :param module: `module(batch)` returns a StepOutput; parameters without a gradient stay.
    :param train, dev: labelled examples to learn from and to score after each epoch.
    :param collate: makes a batch of items, with 'keys' and 'targets' (B, 7) in it.
    """

    module: nn.Module
    train: DrawnDataset[Any]
    dev: DrawnDataset[Any]
    collate: Callable[[Sequence[Any]], Batch]


def fit(task: Task, config: EngineConfig, run: RunFolder, reporter: Reporter) -> None:
    """
    Train, or resume training; afterwards the kept weights are in `task.module`, on the CPU.

    :raises InvalidInput: if the loss becomes NaN or infinite, or the disk is full.
    :raises KeyboardInterrupt: on SIGINT and SIGTERM, after a checkpoint was written.
    """
    if not run.finished:
        _Fit(task, config, run, reporter).run()
    weights = safetensors.torch.load_file(run.best / 'module.safetensors')
    task.module.to(CPU).load_state_dict(weights)
    task.module.eval()


class _Fit:
    """One run of `fit`."""

    def __init__(self, task: Task, config: EngineConfig, run: RunFolder,
                 reporter: Reporter) -> None:
        set_seed(config.seed)
        self.task, self.config, self.folder, self.reporter = task, config, run, reporter
        self.accelerator = Accelerator(
            mixed_precision=config.precision, gradient_accumulation_steps=config.accumulate,
            log_with='tensorboard', project_dir=str(run.path), step_scheduler_with_optimizer=False,
            # Heads and modalities that no example of a batch uses get no gradient.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
        one = self.accelerator.num_processes == 1  # several need batches of one size
        self.batches = BucketBatches(task.train.sizes, config.batch_size, config.seed,
                                     one * task.train.largest_batch)
        train = self._loader(task.train, self.batches)
        dev = self._loader(task.dev, OrderedBatches(
            task.dev.sizes, 2 * config.batch_size, one * task.dev.largest_batch))
        optimizer = make_optimizer(
            [p for p in task.module.parameters() if p.requires_grad], config)
        steps = -(-math.ceil(len(train) / self.accelerator.num_processes) // config.accumulate)
        scheduler = make_schedule(optimizer, config, steps * config.epochs)
        self.module, self.optimizer, self.train, self.dev, self.scheduler = \
            self.accelerator.prepare(task.module, optimizer, train, dev, scheduler)
        self.average = AveragedModel(
            task.module, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True,
        ) if config.average else None
        self.progress = Progress()
        self.losses = LossWatch(run.path)
        self.speed = Speed()
        self._stop = 0

    def _loader(self, data: Dataset[Any], batches: BucketBatches | OrderedBatches
                ) -> DataLoader[Any]:
        # With the global generator the loader would shift the random numbers of dropout.
        return DataLoader(data, batch_sampler=batches, collate_fn=self.task.collate,
                          num_workers=self.config.workers,
                          generator=torch.Generator().manual_seed(self.config.seed))

    def run(self) -> None:
        self.progress = checkpoints.restore(self.folder, self.accelerator, self.average)
        if self.accelerator.is_main_process:
            self.folder.forget_after(self.progress.step, self.progress.lines)
        self.accelerator.init_trackers('tensorboard', init_kwargs={
            'tensorboard': {'purge_step': self.progress.step + 1}})
        before = {s: signal.signal(s, self._ask_to_stop)
                  for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._report_memory()
            with self.reporter.epochs(self.config.epochs, len(self.train)):
                self._epochs()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for tracker in self.accelerator.trackers:  # end_training would stop all processes
                tracker.finish()
        if self.accelerator.is_main_process:
            self.folder.finish({'step': self.progress.step, 'best_step': self.progress.best_step,
                                MONITORED: self.progress.best})
        self.accelerator.wait_for_everyone()

    def _report_memory(self) -> None:
        """Try some items of the largest batch, and print the memory that all of it needs."""
        draws = self.batches.largest()

        def batch_of(count: int) -> Batch:
            items = [self.task.train[draw] for draw in draws[-count:]]
            found: Batch = send_to_device(self.task.collate(items), self.accelerator.device)
            return found

        needed = memory_of_step(self._unwrapped(), batch_of, len(draws), self.accelerator)
        if needed is not None:
            state = optimizer_state(self._unwrapped(), self.config.optimizer == 'adamw',
                                    self.config.momentum)
            self.reporter.needs_memory(len(draws), needed + state, free_memory(
                self.accelerator.device))

    def _epochs(self) -> None:
        progress, config = self.progress, self.config
        while progress.epoch < config.epochs and not (
                config.patience and progress.stale >= config.patience):
            self._epoch()
            self._evaluate()
            progress.epoch, progress.batch = progress.epoch + 1, 0
            self._checkpoint()

    def _epoch(self) -> None:
        """Run the remaining batches of the epoch."""
        progress = self.progress
        self.module.train()
        batches = self.train
        if progress.batch:
            batches = self.accelerator.skip_first_batches(self.train, progress.batch)
        batches.set_epoch(progress.epoch)  # accelerate counts from 0 in each process
        self.batches.set_epoch(progress.epoch)
        self.speed = Speed()
        for batch in self.speed.watch(batches):
            self._step(batch)
            progress.batch += 1
            self.reporter.advance(progress.epoch, progress.batch, self.losses.last)
            if self._stop or (self.accelerator.sync_gradients
                              and progress.step % self.config.checkpoint_steps == 0):
                self._checkpoint()
            if self._stop:
                raise KeyboardInterrupt

    def _step(self, batch: Batch) -> None:
        with self.accelerator.accumulate(self.module):
            with self.speed.computing():
                output: StepOutput = self.module(batch)
            self.losses.add(self.progress.step, batch.get('keys', []), output.loss)
            with self.speed.computing():
                self.accelerator.backward(output.loss)
            if self.accelerator.sync_gradients and self.config.clip_norm:
                self.accelerator.clip_grad_norm_(self.module.parameters(), self.config.clip_norm)
            self.optimizer.step()
            if self.accelerator.sync_gradients:
                self.scheduler.step()
                self.progress.step += 1
                if self.average is not None:
                    self.average.update_parameters(self._unwrapped())
            self.optimizer.zero_grad()
        if self.accelerator.sync_gradients and self.progress.step % self.config.log_steps == 0:
            self._log('train', loss=self.losses.read(),
                      lr=self.scheduler.get_last_lr()[0],
                      **{name: float(part.detach()) for name, part in output.parts.items()})

    def _evaluate(self) -> None:
        """Score the current weights; keep them if they are the best, or always with keep=last."""
        self.losses.read()
        module = self.average.module if self.average is not None else self._unwrapped()
        logits, targets = self._predict(module)
        known = targets.sum(axis=1) > 0
        if not known.any():
            raise InvalidInput(f'run {self.folder.path}: no example of the dev split is labelled; '
                               'give a corpus with a labelled dev split')
        scores = score(targets[known].argmax(axis=1), softmax(logits[known], axis=1))
        self._log('dev', loss=scores.nll, accuracy=scores.accuracy,
                  weighted_f1=scores.weighted_f1, ece=scores.ece)
        rate = self.speed.rate * self.accelerator.num_processes
        self.accelerator.log({'speed/examples_per_s': rate,
                              'speed/waiting_for_data': self.speed.waiting_share,
                              'speed/over_network': self.speed.over_network},
                             step=self.progress.step)  # not in metrics.jsonl, which is repeatable
        self.reporter.evaluated(self.progress.epoch, scores.weighted_f1, scores.accuracy,
                                rate, self.speed.waiting_share, self.speed.over_network)
        progress = self.progress
        progress.stale += 1
        if (self.config.keep == 'last' or progress.best is None
                or scores.weighted_f1 > progress.best):
            progress.best, progress.best_step = scores.weighted_f1, progress.step
            progress.stale = 0
            self._keep(module)

    def _predict(self, module: nn.Module) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        module.eval()
        rows: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad(), self.accelerator.autocast():
            for batch in self.dev:
                rows.append(self.accelerator.gather_for_metrics(
                    (module(batch).logits.float(), batch['targets'])))
        logits, targets = (torch.cat(part).cpu().numpy() for part in zip(*rows))
        return logits, targets

    def _keep(self, module: nn.Module) -> None:
        if self.accelerator.is_main_process:
            partial = self.folder.path / '.best.partial'
            partial.mkdir(exist_ok=True)
            state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
            safetensors.torch.save_file(state, partial / 'module.safetensors')
            replace_folder(partial, self.folder.best)

    def _checkpoint(self) -> None:
        self.losses.read()
        checkpoints.save(self.folder, self.accelerator, self.progress, self.average)

    def _log(self, split: str, **values: float) -> None:
        progress = self.progress
        self.accelerator.log({f'{split}/{k}': v for k, v in values.items()}, step=progress.step)
        if self.accelerator.is_main_process:
            self.folder.log(step=progress.step, epoch=progress.epoch, split=split, **values)

    def _unwrapped(self) -> nn.Module:
        module: nn.Module = self.accelerator.unwrap_model(self.module)
        return module

    def _ask_to_stop(self, number: int, _: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = number


def make_optimizer(parameters: Iterable[nn.Parameter], config: EngineConfig
                   ) -> torch.optim.Optimizer:
    """Return the optimizer; weight decay applies to matrices only, not to biases and norms."""
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for parameter in parameters:
        (matrices if parameter.dim() > 1 else vectors).append(parameter)
    groups = [{'params': members, 'weight_decay': decay} for members, decay in
              ((matrices, config.weight_decay), (vectors, 0.0)) if members]
    if config.optimizer == 'sgd':
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), fused=True)


def make_schedule(optimizer: torch.optim.Optimizer, config: EngineConfig, steps: int
                  ) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule: linear warm-up, then a constant rate or half a cosine down to 1 %."""
    warmup = max(1, round(config.warmup * steps))

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / warmup)
        if config.schedule == 'constant':
            return rise
        return rise * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, step / steps))) / 2)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
