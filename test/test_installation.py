# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What colcon and pip install: `mmer` is a command, all else is for `ros2 run` and launch."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
import zipfile

import pytest

from .fixtures.clip import make_clip

ROOT = Path(__file__).parents[1]
EXECUTABLES = {'emotion', 'estimator', 'monitor', 'play', 'replay', 'segmenter', 'watch'}
SOURCES = ('config', 'examples', 'launch', 'mmer_ros', 'package.xml', 'resource', 'setup.cfg',
           'setup.py')


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package's source, in which builds may leave their files."""
    folder = tmp_path_factory.mktemp('source')
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(
                '__pycache__', 'bundles'))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def setup(source: Path, *arguments: str) -> None:
    done = subprocess.run([sys.executable, '-W', 'ignore', 'setup.py', '-q', *arguments],
                          cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_colcon_puts_every_executable_where_ros2_run_looks(source: Path, tmp_path: Path) -> None:
    setup(source, 'install', '--prefix', str(tmp_path), '--record', str(tmp_path / 'record'),
          '--single-version-externally-managed')
    found = {path.name: path for path in (tmp_path / 'lib' / 'mmer_ros').iterdir()}
    assert set(found) == EXECUTABLES | {'mmer'}
    assert all(os.access(path, os.X_OK) for path in found.values())
    assert not (tmp_path / 'bin').exists()


def test_a_wheel_adds_no_command_but_mmer(source: Path, tmp_path: Path) -> None:
    setup(source, 'bdist_wheel', '--dist-dir', str(tmp_path))
    (wheel,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        modes = {name: archive.getinfo(name).external_attr >> 16 for name in archive.namelist()}
        (entries,) = (archive.read(name).decode() for name in modes if 'entry_points' in name)
    scripts = entries.partition('[console_scripts]\n')[2].partition('\n[')[0].split('\n')
    assert [line for line in scripts if line] == ['mmer = mmer_ros.cli.main:main']
    found = {name.rpartition('/')[2]: mode for name, mode in modes.items()
             if '.data/data/lib/mmer_ros/' in name}
    assert set(found) == EXECUTABLES
    assert all(mode & 0o111 for mode in found.values())  # pip and uv keep it


HEAVY = {'torch', 'torchvision', 'torchaudio', 'transformers', 'facenet_pytorch', 'silero_vad',
         'onnx'}
UNREACHABLE = ('dns error', 'error sending request', 'Failed to fetch', 'timed out', 'tls ')


@pytest.mark.slow
@pytest.mark.network
def test_a_wheel_in_an_empty_environment_recognises_without_torch(
        source: Path, tmp_path: Path) -> None:
    """What pip installs without extras suffices to recognise and to replay."""
    uv = shutil.which('uv', path=os.pathsep.join(
        (str(Path(sys.executable).parent), os.environ['PATH'])))
    if uv is None:
        pytest.skip('needs uv (make env)')
    shutil.copytree(ROOT / 'mmer_ros' / 'bundles', source / 'mmer_ros' / 'bundles',
                    dirs_exist_ok=True)
    setup(source, 'bdist_wheel', '--dist-dir', str(tmp_path))
    (wheel,) = tmp_path.glob('*.whl')
    environment = tmp_path / 'env'
    subprocess.run([uv, 'venv', '-q', '--python', sys.executable, environment], check=True)
    done = subprocess.run([uv, 'pip', 'install', '-q', '--python', environment / 'bin/python',
                           wheel], capture_output=True, text=True, check=False)
    if done.returncode and any(text in done.stderr for text in UNREACHABLE):
        pytest.skip('the package index cannot be reached')
    assert done.returncode == 0, done.stderr
    installed = {path.name for path in environment.glob('lib/python*/site-packages/*')}
    assert {'mmer_ros', 'onnxruntime'} <= installed and not HEAVY & installed
    size = sum(path.stat().st_size for path in environment.rglob('*') if path.is_file()
               and not path.is_symlink())
    assert size < 620e6, f'{size / 1e6:.0f} MB installed'

    make_clip(tmp_path / 'clip.mp4', 1.5)
    plain = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    for arguments, code in ((('recognize', 'clip.mp4', '--whole', '--transcript', 'So glad!',
                              '--format', 'jsonl'), 0),
                            (('replay', str(ROOT / 'sample' / 'dialogue')), 0),
                            (('inspect', 'starter'), 0),
                            (('create-bundle', 'compact', 'new'), 2),
                            (('recognize', 'clip.mp4', '--engine', 'torch'), 2)):
        done = subprocess.run([environment / 'bin/mmer', *arguments], cwd=tmp_path, env=plain,
                              capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        if 'jsonl' in arguments:
            estimate = json.loads(done.stdout.splitlines()[0])
            assert estimate['modalities'] == ['text', 'audio', 'face']
    assert 'torch is not installed' in ' '.join(done.stderr.split())


@pytest.mark.ros
@pytest.mark.parametrize(('name', 'usage'), [
    ('monitor', 'usage: monitor'), ('play', 'usage: play'), ('watch', 'usage: watch'),
    ('replay', 'usage: mmer replay')])
def test_an_installed_executable_runs(name: str, usage: str) -> None:
    pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ['PATH']))
    done = subprocess.run(
        [ROOT / 'resource' / 'executables' / name, '--help'], capture_output=True, text=True,
        env={**os.environ, 'PATH': path, 'PYTHONPATH': str(ROOT)}, check=False)
    assert usage in done.stdout, done.stderr
