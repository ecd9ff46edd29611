# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The training loop: it learns, resumes as if it had never stopped, and tells what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
import io
import json
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from mmer_ros.types import InvalidInput, Modality
from pydantic import ValidationError
import pytest
from rich.console import Console
import safetensors.torch
import torch
from training.corpora.clips import TextOnly
from training.corpora.digest import digest_of
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.trained_encoder import TrainedEncoder
from training.engine import checkpoints, speed
from training.engine.checkpoints import Progress
from training.engine.config import dump_settings, Settings
from training.engine.fit import EngineConfig
from training.engine.loss_watch import LossWatch
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.speed import Speed
from training.evaluation.models import load_models

from ...fixtures.stream import ROOT
from ...fixtures.text import corpus, recipe

QUIET = Reporter('test', Console(quiet=True))


def train(folder: Path, config: TextConfig) -> TrainedEncoder:
    return train_text(config, corpus(), [], folder, QUIET)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / 'encoder' / 'encoder.safetensors')


def metrics(folder: Path) -> list[dict[str, float]]:
    return list(RunFolder(folder / 'finetune').read_metrics())


class Killed(BaseException):
    """What stops a run at once, as a power cut would."""


def test_it_learns_words_that_tell_the_emotion(tmp_path: Path) -> None:
    trained = train(tmp_path, recipe(epochs=60, lr=1e-2, average=0.9, checkpoint_steps=100))
    assert trained.modality is Modality.TEXT
    (model,) = load_models(tmp_path)
    answers = model.predictor(TextOnly(corpus()), 'dev', tmp_path / 'features',
                              QUIET).predict(Modality.TEXT)
    assert (answers.logits.argmax(axis=1) == answers.labels).mean() > 0.8
    lines = metrics(tmp_path)
    first, last = (line['loss'] for line in (lines[0], [x for x in lines if 'lr' in x][-1]))
    assert last < first / 2


@pytest.fixture
def other_precision() -> Iterator[None]:
    """Let accelerate, which has one precision a process, forget it."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize(('average', 'precision'), [(0.0, 'no'), (0.9, 'no'), (0.9, 'bf16')])
def test_a_killed_run_goes_on_as_if_it_had_never_stopped(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_precision: None, average: float,
        precision: str) -> None:
    config = recipe(epochs=2, average=average, accumulate=2, checkpoint_steps=1,
                    precision=precision)
    whole, torn = tmp_path / 'whole', tmp_path / 'torn'
    train(whole, config)
    save, saves = checkpoints.save, []

    def save_and_die(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        saves.append(arguments)
        if len(saves) == 2:
            raise Killed

    monkeypatch.setattr(checkpoints, 'save', save_and_die)
    with pytest.raises(Killed):
        train(torn, config)
    monkeypatch.setattr(checkpoints, 'save', save)
    progress = json.loads((checkpoints.checkpoints(RunFolder(torn / 'finetune'))[-1]
                           / 'progress.json').read_text())
    assert progress['batch'] > 0, 'it died within an epoch'
    train(torn, config)
    assert metrics(torn) == metrics(whole)
    for name, expected in weights(whole).items():
        assert torch.equal(weights(torn)[name], expected), name


def test_the_end_of_an_epoch_is_newer_than_its_last_batch(tmp_path: Path) -> None:
    """Both may have the same step; going on from the earlier one would score the epoch twice."""
    run, accelerator = RunFolder(tmp_path), Accelerator(cpu=True)
    middle, end = Progress(epoch=0, batch=7, step=7), Progress(epoch=1, batch=0, step=7)
    for progress in (middle, end):
        checkpoints.save(run, accelerator, progress, None)
    found = checkpoints.restore(run, accelerator, None)
    assert (found.epoch, found.batch, found.step) == (1, 0, 7)
    later = Progress(epoch=1, batch=3, step=10)
    checkpoints.save(run, accelerator, later, None)
    assert len(checkpoints.checkpoints(run)) == checkpoints.KEPT
    assert checkpoints.restore(run, accelerator, None).step == 10


def test_names_of_older_checkpoints_are_in_order(tmp_path: Path) -> None:
    for name in ('step-00000007-000000', 'step-00000007-000007', 'step-00000009-000002'):
        (tmp_path / 'checkpoints' / name).mkdir(parents=True)
    assert [p.name for p in checkpoints.checkpoints(RunFolder(tmp_path))] == [
        'step-00000007-000007', 'step-00000007-000000', 'step-00000009-000002']


@pytest.mark.parametrize('harm', ['cut', 'changed', 'missing'])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
        tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str) -> None:
    config = recipe(epochs=3, keep='last')
    train(tmp_path / 'whole', config)
    shutil.copytree(tmp_path / 'whole', tmp_path / 'torn')
    run = RunFolder(tmp_path / 'torn' / 'finetune')
    (run.path / 'finished.json').unlink()
    newest = checkpoints.checkpoints(run)[-1]
    (file,) = newest.glob('*model*')
    content = file.read_bytes()
    if harm == 'missing':
        file.unlink()
    else:
        file.write_bytes(content[:len(content) // 2] + (
            b'' if harm == 'cut' else bytes([content[len(content) // 2] ^ 1])
            + content[len(content) // 2 + 1:]))
    train(tmp_path / 'torn', config)
    assert f'{newest.name} is damaged' in caplog.text and 'the one before' in caplog.text
    assert metrics(tmp_path / 'torn') == metrics(tmp_path / 'whole')
    for name, expected in weights(tmp_path / 'whole').items():
        assert torch.equal(weights(tmp_path / 'torn')[name], expected), name
    for each in checkpoints.checkpoints(run):
        (each / 'progress.json').write_text('{')
    (run.path / 'finished.json').unlink()
    with pytest.raises(InvalidInput, match='none of its 2 checkpoints can be read; remove'):
        train(tmp_path / 'torn', config)


def test_a_kill_between_scores_and_checkpoint_repeats_no_line(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step of an epoch has a checkpoint; its scores are written after it."""
    config = recipe(epochs=2, checkpoint_steps=1, log_steps=1)
    train(tmp_path / 'whole', config)
    save = checkpoints.save

    def die_at_the_end_of_an_epoch(run: RunFolder, accelerator: Accelerator, progress: Progress,
                                   average: None) -> None:
        if progress.batch == 0:
            raise Killed
        save(run, accelerator, progress, average)

    monkeypatch.setattr(checkpoints, 'save', die_at_the_end_of_an_epoch)
    with pytest.raises(Killed):
        train(tmp_path / 'torn', config)
    assert metrics(tmp_path / 'torn')[-1]['split'] == 'dev'
    monkeypatch.setattr(checkpoints, 'save', save)
    train(tmp_path / 'torn', config)
    assert metrics(tmp_path / 'torn') == metrics(tmp_path / 'whole')


def start_elsewhere(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a run without settings in another process, which ends at once."""
    code = ('import sys; from pathlib import Path; '
            'from training.engine.config import Settings; '
            'from training.engine.run_folder import RunFolder; '
            'RunFolder.start(Path(sys.argv[1]), Settings())')
    return subprocess.run([sys.executable, '-c', code, str(folder)], cwd=ROOT,
                          capture_output=True, text=True)


def test_a_run_folder_is_refused_to_a_second_process(tmp_path: Path) -> None:
    for _ in range(2):  # the same process may
        RunFolder.start(tmp_path / 'mine', Settings())
    second = start_elsewhere(tmp_path / 'mine')
    assert second.returncode != 0
    assert f'process {os.getpid()} on ' in second.stderr and 'is training in it' in second.stderr
    assert start_elsewhere(tmp_path / 'free').returncode == 0
    RunFolder.start(tmp_path / 'free', Settings())  # the lock ended with the process


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    runs = {name: tmp_path / name for name in ('one', 'two', 'other')}
    for name, folder in runs.items():
        train(folder, recipe(epochs=1, seed=int(name == 'other')))
    name = 'classifier.0.weight'
    assert torch.equal(weights(runs['one'])[name], weights(runs['two'])[name])
    assert not torch.equal(weights(runs['one'])[name], weights(runs['other'])[name])


def test_gradients_are_not_clipped_where_the_limit_is_0(tmp_path: Path) -> None:
    """As in the paper, which names no clipping; it is one setting."""
    sgd = {'optimizer': 'sgd', 'momentum': 0.0, 'epochs': 1}
    for name, limit in (('none', 0.0), ('vast', 1e9), ('tight', 1e-3)):
        train(tmp_path / name, recipe(clip_norm=limit, **sgd))  # type: ignore[arg-type]
    none, vast, tight = (weights(tmp_path / name)['classifier.0.weight']
                         for name in ('none', 'vast', 'tight'))
    assert torch.equal(none, vast) and not torch.equal(none, tight)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    train(tmp_path, recipe())
    before = (tmp_path / 'finetune' / 'metrics.jsonl').read_bytes()
    train(tmp_path, recipe())
    assert (tmp_path / 'finetune' / 'metrics.jsonl').read_bytes() == before


def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    train(tmp_path, recipe(epochs=1))
    with pytest.raises(InvalidInput, match='other settings.*new folder'):
        train(tmp_path, recipe(epochs=2))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_there_was(tmp_path: Path) -> None:
    config = recipe(epochs=60, lr=1e12, optimizer='sgd', clip_norm=1e12, checkpoint_steps=1)
    with pytest.raises(InvalidInput, match=r'loss is (nan|inf) at step \d+ \(examples train/'):
        train(tmp_path, config)
    for found in checkpoints.checkpoints(RunFolder(tmp_path / 'finetune')):
        assert (found / 'pytorch_model.bin').is_file()


def test_the_first_loss_that_is_no_number_is_named_however_late_it_is_read() -> None:
    watch = LossWatch(Path('run'))
    for step, loss in enumerate((.5, .25)):
        watch.add(step, [f'e{step}'], torch.tensor(loss, requires_grad=True))
    assert watch.read() == watch.read() == .25
    for step, loss in ((7, .1), (8, float('nan')), (9, float('inf'))):
        watch.add(step, [f'e{step}'], torch.tensor(loss))
    with pytest.raises(InvalidInput, match=r'loss is nan at step 8 \(examples e8\)'):
        watch.read()


def test_a_loss_that_is_no_number_is_in_no_checkpoint(tmp_path: Path) -> None:
    """Though it is read every twenty steps only."""
    with pytest.raises(InvalidInput, match=r'loss is (nan|inf)'):
        train(tmp_path, recipe(epochs=60, lr=1e12, optimizer='sgd', clip_norm=1e12, log_steps=20,
                               checkpoint_steps=3))
    for found in checkpoints.checkpoints(RunFolder(tmp_path / 'finetune')):
        kept = torch.load(found / 'pytorch_model.bin', weights_only=True)
        assert all(torch.isfinite(weight).all() for weight in kept.values())


def test_weights_that_are_parts_of_one_tensor_are_in_a_checkpoint(tmp_path: Path) -> None:
    """As cuDNN lays out those of a GRU, after which safetensors does not take them."""
    torch.manual_seed(0)
    layer, accelerator, run = torch.nn.GRU(3, 4), Accelerator(cpu=True), RunFolder(tmp_path)
    whole = torch.cat([p.detach().flatten() for p in layer.parameters()])
    begin = 0
    for parameter in layer.parameters():
        end = begin + parameter.numel()
        parameter.data = whole[begin:end].view_as(parameter)
        begin = end
    checkpoints.save(run, accelerator, Progress(step=1), None)  # nothing to save yet
    prepared = accelerator.prepare(layer)
    checkpoints.save(run, accelerator, Progress(step=2), None)
    before = whole.clone()
    whole.zero_()
    assert checkpoints.restore(run, accelerator, None).step == 2
    assert torch.equal(torch.cat([p.flatten() for p in prepared.parameters()]), before)


def test_other_data_need_another_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / 'run')
    run.record_data({'corpus': digest_of(corpus())})
    run.record_data({'corpus': digest_of(corpus())})
    with pytest.raises(InvalidInput, match='started on other data.*new folder'):
        run.record_data({'corpus': digest_of(corpus(seed=1))})


def test_early_stopping(tmp_path: Path) -> None:
    train(tmp_path, recipe(epochs=40, patience=1, lr=1e-8))
    facts = RunFolder(tmp_path / 'finetune').facts()
    assert facts['step'] < 40 * 5 and facts['best_step'] < facts['step']


def test_the_last_epoch_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    """However much better an earlier one was; what is told of the run is of the last, too."""
    kept = {}
    for keep in ('best', 'last'):
        train(tmp_path / keep, recipe(epochs=8, lr=0.3, keep=keep))
        dev = [row for row in metrics(tmp_path / keep) if row['split'] == 'dev']
        scores = [row['weighted_f1'] for row in dev]
        facts = RunFolder(tmp_path / keep / 'finetune').facts()
        kept[keep] = facts['weighted_f1']
        assert facts['weighted_f1'] == (max(scores) if keep == 'best' else scores[-1])
    assert kept['best'] > kept['last']
    assert any(not torch.equal(weights(tmp_path / 'best')[k], v)
               for k, v in weights(tmp_path / 'last').items())
    with pytest.raises(ValidationError, match='set patience=0 or keep=best'):
        EngineConfig(keep='last', patience=1)


def test_the_run_folder_holds_all_that_is_needed_to_repeat_it(tmp_path: Path) -> None:
    config = recipe(epochs=1)
    train(tmp_path, config)
    assert (tmp_path / 'config.yaml').read_text() == dump_settings(config)
    environment = json.loads((tmp_path / 'finetune' / 'environment.json').read_text())
    assert environment['packages']['torch'] == torch.__version__
    assert list((tmp_path / 'finetune').rglob('events.out.tfevents.*'))
    assert not list(tmp_path.rglob('*.partial'))


def test_sigterm_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    code = ('from test.training.engine.test_engine import train, recipe; from pathlib import Path;'
            f'train(Path({str(tmp_path)!r}), recipe(epochs=500))')
    process = subprocess.Popen([sys.executable, '-c', code], cwd=ROOT, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not (tmp_path / 'finetune' / 'metrics.jsonl').is_file():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert process.returncode != 0
    run = RunFolder(tmp_path / 'finetune')
    progress = json.loads((checkpoints.checkpoints(run)[-1] / 'progress.json').read_text())
    assert progress['step'] >= max(line['step'] for line in run.read_metrics())
    assert not (run.path / 'checkpoints' / '.partial').exists()


def test_speed_counts_examples_and_the_time_that_the_network_waits(
        monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(speed, 'monotonic', lambda: clock[0])

    def slow_loader() -> Iterator[dict[str, Any]]:
        for size in (8, 4):
            clock[0] += 3
            yield {'targets': torch.zeros(size, 7)}

    found = Speed()
    for _ in found.watch(slow_loader()):
        with found.computing():
            clock[0] += 0.8  # the network
        clock[0] += 0.2  # the optimizer
    assert found.examples == 12 and found.seconds == pytest.approx(8)
    assert found.rate == pytest.approx(1.5)
    assert found.waiting_share == pytest.approx(0.75)
    assert found.over_network == pytest.approx(4.0)


def test_each_epoch_tells_its_speed(tmp_path: Path) -> None:
    told = Console(record=True, file=io.StringIO(), width=60)
    train_text(recipe(epochs=2), corpus(), [], tmp_path, Reporter('text', told))
    lines = [line for line in told.export_text().splitlines() if 'examples/s' in line]
    assert len(lines) == 2 and all('% over forward and backward' in line for line in lines)
