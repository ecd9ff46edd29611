"""Message packages of others, built with rosidl from test/ros_packages at first use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
import ctypes
import fcntl
import hashlib
import multiprocessing
import os
from pathlib import Path
import shutil
import sys
from typing import Any

from tools.env import BIN, read_stamp, run, VENV

SOURCES = Path(__file__).parent / 'ros_packages'
WORKSPACE = VENV / 'test_ws'
NAMES = {'ros_drivers': 'audio_common_msgs', 'mgonzs13': 'audio_common_msgs',
         'ros4hri': 'hri_msgs', 'whisper_ros': 'whisper_msgs'}
PYTHON = f'lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages'

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} {messages} DEPENDENCIES std_msgs)
ament_package()
"""
PACKAGE_XML = """\
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>A stand-in for tests.</description>
  <maintainer email="maintainers@mmer-ros.org">The mmer_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
"""


_loaded: set[Path] = set()  # sys.path does not tell: a spawned process inherits it


def build(package: str) -> Path:
    """
    Build a package unless it is up to date, and return its prefix.

    :param package: a folder of test/ros_packages.
    """
    messages = sorted((SOURCES / package).glob('*.msg'))
    digest = hashlib.sha256((CMAKE_LISTS + read_stamp().get('packages', '')).encode())
    for message in messages:
        digest.update(f'{message.name}\0{message.read_text()}'.encode())
    prefix, stamp = WORKSPACE / package, WORKSPACE / f'{package}.sha256'
    WORKSPACE.mkdir(exist_ok=True)
    with (WORKSPACE / f'{package}.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test runs one builds
        if not stamp.exists() or stamp.read_text() != digest.hexdigest():
            stamp.unlink(missing_ok=True)
            _make(NAMES[package], messages, prefix)
            stamp.write_text(digest.hexdigest())
    return prefix


def _make(name: str, messages: list[Path], prefix: Path) -> None:
    shutil.rmtree(prefix, ignore_errors=True)
    source, log = prefix / 'src', prefix / 'build.log'
    (source / 'msg').mkdir(parents=True)
    for message in messages:
        shutil.copy(message, source / 'msg')
    names = ' '.join(f'"msg/{message.name}"' for message in messages)
    (source / 'CMakeLists.txt').write_text(CMAKE_LISTS.format(name=name, messages=names))
    (source / 'package.xml').write_text(PACKAGE_XML.format(name=name))
    run(log, 'cmake', '-S', source, '-B', prefix / 'build', '-DBUILD_TESTING=OFF',
        f'-DCMAKE_INSTALL_PREFIX={prefix}', f'-DCMAKE_INSTALL_RPATH={prefix}/lib',
        f'-DCMAKE_PREFIX_PATH={VENV}', f'-DPython3_EXECUTABLE={BIN / "python"}')
    run(log, 'cmake', '--build', prefix / 'build', '--parallel', str(os.cpu_count() or 1))
    run(log, 'cmake', '--install', prefix / 'build')
    shutil.rmtree(prefix / 'build')


def use(package: str) -> None:
    """
    Make a package importable in this process, which cannot use another of the same name.

    ROS finds libraries by LD_LIBRARY_PATH, which a process cannot change for itself; they are
    found as well if they are loaded already.
    """
    prefix = build(package)
    if prefix in _loaded:
        return
    _loaded.add(prefix)
    sys.path.insert(0, str(prefix / PYTHON))
    waiting = sorted((prefix / 'lib').glob('lib*.so'), key=lambda path: len(path.name))
    for library in waiting:  # what they need of one another comes by their RPATH
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def in_own_process(work: Callable[..., Any], *arguments: Any, timeout_s: float = 120.0) -> Any:
    """
    Return what a function of a test module returns in a fresh process.

    :raises Exception: what it raises there.
    """
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(work, *arguments).result(timeout_s)
