"""The folder of a run: settings, environment, metrics, checkpoints; it can be taken up again."""

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
from training.engine.config import dump_settings, Settings
from training.engine.files import write_file
import yaml

DATA = 'data.json'
PACKAGES = ('accelerate', 'numpy', 'safetensors', 'sklearn', 'tokenizers', 'torch', 'torchaudio',
            'transformers')


@dataclass(frozen=True)
class RunFolder:
    """
    What a run writes.

    config.yaml, data.json, environment.json, metrics.jsonl, tensorboard/, checkpoints/step-*,
    best/.
    """

    path: Path

    @classmethod
    def take_up(cls, path: Path, settings: Settings) -> RunFolder:
        """
        Make a new run, or take up one of the same settings.

        :raises InvalidInput: if the folder holds a run of other settings.
        """
        run = cls(path)
        wanted = dump_settings(settings)
        config = path / 'config.yaml'
        begun = yaml.safe_load(config.read_text('utf-8')) if config.is_file() else None
        if begun is not None and begun != yaml.safe_load(wanted):
            raise InvalidInput(f'run {path}: it has other settings ({config}); give a new folder, '
                               'or the same settings to continue')
        path.mkdir(parents=True, exist_ok=True)
        if begun is None:
            write_file(config, wanted.encode())
            write_file(path / 'environment.json', json.dumps(environment(), indent=2).encode())
        return run

    @property
    def best(self) -> Path:
        """Folder of the weights that are kept: the best, or the last."""
        return self.path / 'best'

    @property
    def metrics(self) -> Path:
        """File of the metrics, a JSON object a line."""
        return self.path / 'metrics.jsonl'

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / 'finished.json').is_file()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Mark the run as complete."""
        write_file(self.path / 'finished.json', json.dumps(dict(facts), indent=2).encode())

    def facts(self) -> dict[str, Any]:
        """Return what `finish` was told."""
        result: dict[str, Any] = json.loads((self.path / 'finished.json').read_text())
        return result

    def learns_from(self, data: Mapping[str, Any]) -> None:
        """
        Note what the run learns from, so that runs on other data are not taken for alike.

        :raises InvalidInput: if it was begun with other data.
        """
        path = self.path / DATA
        text = json.dumps(dict(data), indent=2)
        if not path.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            write_file(path, text.encode())
        elif path.read_text(encoding='utf-8') != text:
            raise InvalidInput(f'run {self.path}: it was begun with other data ({path}); give a '
                               'new folder, or the same data to continue')

    def log(self, **values: Any) -> None:
        """Append a line of metrics."""
        with self.metrics.open('a', encoding='utf-8') as file:
            file.write(json.dumps(values) + '\n')

    def forget_after(self, step: int) -> None:
        """Drop the metrics of steps that a resumed run will do again, and a torn last line."""
        if self.metrics.is_file():
            kept = [json.dumps(line) + '\n' for line in self.read_metrics()
                    if line['step'] <= step]
            write_file(self.metrics, ''.join(kept).encode())

    def read_metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the metrics; a torn last line is left out."""
        if self.metrics.is_file():
            for line in self.metrics.read_text(encoding='utf-8').splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    return


def recipe_of(run: Path) -> dict[str, Any]:
    """Return the settings and data of a run as it noted them; {} if there are none."""
    found: dict[str, Any] = {}
    for name, parse in (('config.yaml', yaml.safe_load), (DATA, json.loads)):
        if (run / name).is_file():
            found[name.partition('.')[0]] = parse((run / name).read_text(encoding='utf-8'))
    return found


def replace_folder(partial: Path, final: Path) -> None:
    """Put a complete folder in the place of an older one."""
    old = final.with_name(f'.{final.name}.old')
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def environment() -> dict[str, Any]:
    """Return what a result may depend on besides settings and data."""
    versions = {name: getattr(sys.modules.get(name), '__version__', None) for name in PACKAGES}
    return {
        'python': platform.python_version(), 'platform': platform.platform(),
        'packages': {name: version for name, version in versions.items() if version},
        'devices': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        'threads': torch.get_num_threads(), 'commit': commit(),
    }


def commit() -> str:
    """Return the commit of the checkout, with a + if it was changed; '' if there is none."""
    try:
        done = subprocess.run(['git', 'describe', '--always', '--dirty=+', '--abbrev=12'],
                              cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ''
    return done.stdout.strip()
