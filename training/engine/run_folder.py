# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The folder of a run: settings, data digests, environment, metrics and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import platform
import shutil
import subprocess
import sys
from typing import Any

from mmer_ros.types import InvalidInput
import torch
from training.engine.config import dump_settings, parse_yaml, Settings
from training.engine.files import write_file
from training.engine.processes import rank
from training.engine.run_lock import claim

DATA = 'data.json'
PACKAGES = ('accelerate', 'numpy', 'safetensors', 'sklearn', 'tokenizers', 'torch', 'torchaudio',
            'transformers')


@dataclass(frozen=True)
class RunFolder:
    """
    A run on disk.

    It holds config.yaml, data.json, environment.json, metrics.jsonl, tensorboard/,
    checkpoints/step-* and best/.
    """

    path: Path

    @classmethod
    def start(cls, path: Path, settings: Settings) -> RunFolder:
        """
        Start a run, or reopen one with the same settings.

        The folder is locked until this process ends.

        :raises InvalidInput: if the folder holds a run with other settings, or another process
            trains in it.
        """
        run = cls(path)
        path.mkdir(parents=True, exist_ok=True)
        if not rank():  # of several processes the main one writes
            claim(path)
        wanted = dump_settings(settings)
        config = path / 'config.yaml'
        begun = parse_yaml(config.read_text('utf-8')) if config.is_file() else None
        if begun is not None and begun != parse_yaml(wanted):
            raise InvalidInput(f'run {path}: it was started with other settings ({config}); give '
                               'a new folder, or the same settings to resume it')
        if begun is None:
            write_file(config, wanted.encode())
            write_file(path / 'environment.json', json.dumps(environment(), indent=2).encode())
        return run

    @property
    def best(self) -> Path:
        """Folder of the kept weights: the best, or the last."""
        return self.path / 'best'

    @property
    def metrics(self) -> Path:
        """File of the metrics, one JSON object a line."""
        return self.path / 'metrics.jsonl'

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return (self.path / 'finished.json').is_file()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Mark the run as complete."""
        write_file(self.path / 'finished.json', json.dumps(dict(facts), indent=2).encode())

    def facts(self) -> dict[str, Any]:
        """Return the facts given to `finish`."""
        result: dict[str, Any] = json.loads((self.path / 'finished.json').read_text())
        return result

    def record_data(self, data: Mapping[str, Any]) -> None:
        """
        Record the digests of the training data, so that a run is never resumed on other data.

        :raises InvalidInput: if it was started on other data.
        """
        path = self.path / DATA
        text = json.dumps(dict(data), indent=2)
        if not path.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            write_file(path, text.encode())
        elif path.read_text(encoding='utf-8') != text:
            raise InvalidInput(f'run {self.path}: it was started on other data ({path}); give a '
                               'new folder, or the same data to resume it')

    def log(self, **values: Any) -> None:
        """Append a line of metrics."""
        with self.metrics.open('a', encoding='utf-8') as file:
            file.write(json.dumps(values) + '\n')

    @property
    def lines(self) -> int:
        """Number of lines of metrics."""
        return sum(1 for _ in self.read_metrics())

    def forget_after(self, step: int, lines: int | None = None) -> None:
        """
        Drop metrics that a resumed run will repeat, and a truncated last line.

        :param step: of the checkpoint; metrics of later steps go.
        :param lines: that there were when it was written; None: not recorded. At the end of an
            epoch, metrics are written between two checkpoints of one step.
        """
        if self.metrics.is_file():
            kept = [json.dumps(line) + '\n' for line in self.read_metrics()
                    if line['step'] <= step]
            write_file(self.metrics, ''.join(kept[:lines]).encode())

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the metrics; a truncated last line is skipped."""
        if self.metrics.is_file():
            for line in self.metrics.read_text(encoding='utf-8').splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    return


def recipe_of(run: Path) -> dict[str, Any]:
    """Return the recorded settings and data of a run; {} if there are none."""
    found: dict[str, Any] = {}
    for name, parse in (('config.yaml', parse_yaml), (DATA, json.loads)):
        if (run / name).is_file():
            found[name.partition('.')[0]] = parse((run / name).read_text(encoding='utf-8'))
    return found


def replace_folder(partial: Path, final: Path) -> None:
    """Replace a folder by a newer one."""
    old = final.with_name(f'.{final.name}.old')
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def environment() -> dict[str, Any]:
    """Return versions and devices, on which a result may depend besides settings and data."""
    versions = {name: getattr(sys.modules.get(name), '__version__', None) for name in PACKAGES}
    return {
        'python': platform.python_version(), 'platform': platform.platform(),
        'packages': {name: version for name, version in versions.items() if version},
        'devices': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        'threads': torch.get_num_threads(), 'commit': commit(),
    }


def commit() -> str:
    """Return the commit of the checkout, with a + if it is modified; '' if there is none."""
    try:
        done = subprocess.run(['git', 'describe', '--always', '--dirty=+', '--abbrev=12'],
                              cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ''
    return done.stdout.strip()
