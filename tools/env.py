# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Make the environment of this checkout in .venv: packages, ROS 2 as wheels, mmer_msgs, mmer_ros.

Run by `make env`, with nothing but Python. What is up to date is left alone, so that it costs
nothing to run it before every other command; what was interrupted goes on where it stopped.
ROS wheels exist for x86-64 only: on aarch64 the environment lacks ROS and mmer_msgs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import fcntl
import hashlib
import json
import os
from pathlib import Path
import platform
import re
import shutil
import subprocess
import sys
import time

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
BIN = VENV / 'bin'
STAMP = VENV / 'env.json'  # step name -> hash of what it was made from
UV = 'uv==0.13.9'
REQUIREMENTS = 'requirements.in'
# The Pythons that ROS wheels exist for, the preferred first.
LOCKS = {(3, 11): 'requirements.lock', (3, 12): 'requirements-3.12.lock'}
MACHINES = ('x86_64', 'aarch64')
HAS_ROS_WHEELS = platform.machine() == 'x86_64'
LOG_LINES = 25  # shown of a failed step

WITHOUT_ROS = (
    'env: there are no ROS 2 wheels for this computer: what starts nodes (make demo, bench, soak) '
    'and the tests of nodes need ROS 2 Jazzy and colcon (docs/quickstart-robot.md).')

# Activated or sourced elsewhere, these would lead our tools to other people's files.
FOREIGN = ('PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'CMAKE_PREFIX_PATH',
           'COLCON_PREFIX_PATH', 'LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')


class StepFailed(Exception):
    """A step that cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """
    One step towards the environment.

    :param name: as shown, and the name of its log.
    :param inputs: files and folders it is made from, relative to the root.
    :param work: does it; what its commands print goes to the open log.
    :param advice: what to do if it fails.
    """

    name: str
    inputs: tuple[str, ...]
    work: Callable[[Path], None]
    advice: str

    @property
    def log(self) -> Path:
        """File that holds what the step's commands printed."""
        return VENV / f'{self.name}.log'


def clean_environment() -> dict[str, str]:
    """Return the variables that commands run with: the user's, without other environments."""
    variables = {k: v for k, v in os.environ.items() if k not in FOREIGN}
    variables['AMENT_PREFIX_PATH'] = str(VENV)
    variables['PATH'] = os.pathsep.join((str(BIN), variables.get('PATH', os.defpath)))
    variables.setdefault('UV_HTTP_TIMEOUT', '180')  # seconds; some wheels are large
    return variables


def run(log: Path, *command: str | Path) -> None:
    """
    Run a command, its output appended to the log.

    :raises StepFailed: if it cannot be started or ends with an error.
    """
    words = [str(word) for word in command]
    with log.open('a', encoding='utf-8') as out:
        out.write(f'$ {" ".join(words)}\n')
        out.flush()
        try:
            subprocess.run(words, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
                           stdout=out, stderr=subprocess.STDOUT, check=True)
        except FileNotFoundError:
            raise StepFailed(f'{words[0]} is not installed') from None
        except subprocess.CalledProcessError as error:
            raise StepFailed(f'{Path(words[0]).name} ended with {error.returncode}') from None


def make_venv(log: Path) -> None:
    """Make the empty environment, with a uv of known version in it."""
    run(log, sys.executable, '-m', 'venv', VENV)
    run(log, BIN / 'python', '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', UV)


def install_packages(log: Path) -> None:
    """Install exactly what the lock names, checked against its hashes."""
    # The lock also fixes the setuptools that builds what comes as source.
    lock = LOCKS[sys.version_info[:2]]
    if not HAS_ROS_WHEELS:  # the lock is x86-64's: its versions count, but not all its packages
        run(log, BIN / 'uv', 'pip', 'install', '--compile-bytecode', '--python', BIN / 'python',
            '--requirements', REQUIREMENTS, '--constraints', lock, '--build-constraints', lock)
        return
    run(log, BIN / 'uv', 'pip', 'sync', '--compile-bytecode', '--python', BIN / 'python',
        '--require-hashes', '--build-constraints', lock, lock)
    corrected = correct_exports()
    with log.open('a', encoding='utf-8') as out:
        out.write(f'corrected the include paths of {corrected} CMake exports\n')


def correct_exports() -> int:
    """
    Put this computer's include paths into the CMake exports of the ROS wheels.

    The wheels name the headers of Python and NumPy where they lay when the wheels were built,
    and CMake refuses a target whose include path does not exist.

    :returns: number of files changed.
    """
    python, numpy = subprocess.run(
        [BIN / 'python', '-c', 'import numpy, sysconfig; '
         'print(sysconfig.get_path("include"), numpy.get_include(), sep="\\n")'],
        env=clean_environment(), capture_output=True, text=True, check=True).stdout.split('\n')[:2]
    corrected = 0
    for path in sorted((VENV / 'share').glob('*/cmake/*rosidl_generator_py*.cmake')):
        text = path.read_text(encoding='utf-8')
        fixed = re.sub(r'/opt/python/[^";]*/numpy/_?core/include', lambda _: numpy, text)
        fixed = re.sub(r'/opt/python/[^";/]*/include/python[\d.]+', lambda _: python, fixed)
        if fixed != text:
            # A new file: the old one may be a hard link into uv's cache.
            new = path.with_suffix('.new')
            new.write_text(fixed, encoding='utf-8')
            new.replace(path)
            corrected += 1
    return corrected


def build_messages(log: Path) -> None:
    """Build mmer_msgs and install it into the environment, as if it had come as a wheel."""
    build = VENV / 'build' / 'mmer_msgs'
    manifest = build / 'install_manifest.txt'
    if manifest.exists():  # of messages that may since have been renamed
        for line in manifest.read_text(encoding='utf-8').splitlines():
            Path(line).unlink(missing_ok=True)
    shutil.rmtree(build, ignore_errors=True)
    run(log, 'cmake', '-S', 'mmer_msgs', '-B', build, '-DBUILD_TESTING=OFF',
        '-DCMAKE_BUILD_TYPE=Release', f'-DCMAKE_INSTALL_PREFIX={VENV}',
        f'-DCMAKE_PREFIX_PATH={VENV}', f'-DPython3_EXECUTABLE={BIN / "python"}')
    run(log, 'cmake', '--build', build, '--parallel', str(os.cpu_count() or 1))
    run(log, 'cmake', '--install', build)
    run(log, BIN / 'python', '-c', 'from mmer_msgs.msg import EmotionEstimate')


def install_project(log: Path) -> None:
    """Install mmer_ros so that edits of the checkout take effect at once."""
    run(log, BIN / 'uv', 'pip', 'install', '--python', BIN / 'python', '--no-deps',
        '--no-build-isolation', '--reinstall-package', 'mmer_ros', '--editable', '.')


BUILD_MESSAGES = Step(
    'mmer_msgs', ('mmer_msgs',), build_messages,
    'This needs cmake 3.16 or newer, make and a C++ compiler (on Debian and Ubuntu: apt install '
    'cmake g++ make).')
STEPS = (
    Step('venv', (), make_venv,
         'Check that this Python has the venv module (on Debian and Ubuntu: apt install '
         'python3-venv) and that pip reaches its package index.'),
    Step('packages', (*LOCKS.values(), *(() if HAS_ROS_WHEELS else (REQUIREMENTS,))),
         install_packages,
         'Check the network and the disk space, then run this again: what has been downloaded is '
         'kept. uv reads UV_DEFAULT_INDEX, UV_HTTP_TIMEOUT and UV_CACHE_DIR.'),
    *((BUILD_MESSAGES,) if HAS_ROS_WHEELS else ()),
    Step('mmer_ros', ('setup.py', 'setup.cfg', 'pyproject.toml'), install_project,
         'Check setup.py, then run this again.'),
)


def fingerprint(step: Step, before: str) -> str:
    """Return a hash of the step's input files and of the step before it."""
    digest = hashlib.sha256(before.encode())
    for name in step.inputs:
        path = ROOT / name
        for file in sorted(path.rglob('*')) if path.is_dir() else (path,):
            if file.is_file():
                digest.update(f'{file.relative_to(ROOT)}\0'.encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def plan(python: tuple[int, int]) -> dict[str, str]:
    """
    Return the fingerprint that each step will have; a step depends on all those before it.

    :param python: version of the environment's Python, a key of LOCKS.
    """
    key = json.dumps([str(VENV), UV, python])
    packages = ''
    wanted = {}
    for step in STEPS:
        # mmer_msgs and mmer_ros do not depend on one another.
        key = fingerprint(step, packages or key)
        if step.name == 'packages':
            packages = key
        wanted[step.name] = key
    return wanted


def read_stamp() -> dict[str, str]:
    """Return the fingerprints of the steps that are done."""
    try:
        return dict(json.loads(STAMP.read_text(encoding='utf-8')))
    except (FileNotFoundError, ValueError):
        return {}


def write_stamp(done: dict[str, str]) -> None:
    """Write the fingerprints of the steps that are done, all or nothing."""
    new = STAMP.with_suffix('.new')
    new.write_text(json.dumps(done, indent=1), encoding='utf-8')
    new.replace(STAMP)


def prepare(wanted: dict[str, str]) -> dict[str, str]:
    """
    Make room for the environment and return the steps that are done.

    :raises StepFailed: if there is a .venv that this script did not make.
    """
    if VENV.exists() and not STAMP.exists():
        raise StepFailed('.venv was not made by tools/env.py. Move it away, then run this again.')
    done = read_stamp()
    if any(name in done and done[name] != wanted[name] for name in ('venv', 'packages')):
        print('env: the lock or the place has changed; .venv is made anew', flush=True)
        shutil.rmtree(VENV)
        done = {}
    if not VENV.exists():
        VENV.mkdir()
        write_stamp({})
    return done


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other run works on this checkout's environment."""
    with (ROOT / 'tools' / 'env.py').open(encoding='utf-8') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('env: waiting for another run to finish', flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def do(step: Step) -> None:
    """
    Do one step and print its name and duration.

    :raises StepFailed: with the end of the step's log.
    """
    print(f'env: {step.name} ... ', end='', flush=True)
    began = time.monotonic()
    step.log.write_text('', encoding='utf-8')
    try:
        step.work(step.log)
    except (StepFailed, OSError, subprocess.SubprocessError) as error:
        print('failed', flush=True)
        tail = step.log.read_text(encoding='utf-8', errors='replace').splitlines()[-LOG_LINES:]
        shown = '\n'.join(f'    {line}' for line in tail)
        raise StepFailed(f'{step.name}: {error}\n{shown}\n    (all of it: '
                         f'{step.log.relative_to(ROOT)})\n{step.advice}') from None
    print(f'{time.monotonic() - began:.1f} s', flush=True)


def find_python() -> None:
    """
    Go on under a Python that the ROS wheels are for, outside of any virtual environment.

    :raises StepFailed: if there is none, or if there are no packages for this computer.
    """
    if platform.system() != 'Linux' or platform.machine() not in MACHINES:
        raise StepFailed(
            f'this is {platform.system()} {platform.machine()}; expected Linux on '
            f'{" or ".join(MACHINES)}.')
    running = sys.version_info[:2]
    if running in LOCKS and sys.prefix == sys.base_prefix:
        return
    # Leave any virtual environment, ours included: it may be about to be made anew.
    folders = [folder for folder in os.environ.get('PATH', os.defpath).split(os.pathsep)
               if not (Path(folder).parent / 'pyvenv.cfg').exists()]
    search = os.pathsep.join((f'{sys.base_prefix}/bin', *folders))
    names = [f'python{x}.{y}' for x, y in ([running] if running in LOCKS else LOCKS)]
    other = next(filter(None, (shutil.which(name, path=search) for name in names)), None)
    if other is None or os.environ.get('MMER_ENV_PYTHON'):
        raise StepFailed(f'{" or ".join(names)} is needed, this is Python '
                         f'{platform.python_version()}. Install it, or name it: '
                         f'make PYTHON=/path/to/{names[0]}')
    os.environ['MMER_ENV_PYTHON'] = other  # once only
    os.execv(other, [other, *sys.argv])


def main() -> int:
    """Make the environment; 0 if it is there, 1 with a message if not."""
    began = time.monotonic()
    try:
        find_python()
        wanted = plan(sys.version_info[:2])
        if read_stamp() == wanted:
            print('env: .venv is up to date')
            return 0
        with alone():
            done = prepare(wanted)
            for step in STEPS:
                if done.get(step.name) != wanted[step.name]:
                    done.pop(step.name, None)  # half of it is not done
                    write_stamp(done)
                    do(step)
                    done[step.name] = wanted[step.name]
                    write_stamp(done)
        print(f'env: .venv is ready ({time.monotonic() - began:.1f} s)')
        if not HAS_ROS_WHEELS:
            print(WITHOUT_ROS)
        return 0
    except StepFailed as error:
        print(f'env: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nenv: interrupted; run this again to go on', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
