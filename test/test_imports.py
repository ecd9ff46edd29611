# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What importing the core brings with it, and that no import leads back to where it began."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
import subprocess
import sys
from typing import Any

import pytest

from .fixtures.stream import ROOT


def test_the_recogniser_is_imported_without_ros() -> None:
    """In a process of its own, with each module that a client starts from."""
    code = ('import mmer_ros.recognition.pipeline, mmer_ros.cli.recognize, mmer_ros.cli.replay, '
            'mmer_ros.recordings.recording, sys;'
            'print([m for m in sys.modules if m.split(".")[0] in ("rclpy", "launch") '
            'or m.split(".")[0].endswith("_msgs") or m.startswith("mmer_ros.nodes")])')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() == '[]'


def test_commands_are_imported_without_torch_and_scipy() -> None:
    """They are not installed on a robot, and would take its memory if they were."""
    code = ('import mmer_ros.recognition.pipeline, mmer_ros.cli.recognize, mmer_ros.cli.replay, '
            'mmer_ros.cli.compare, mmer_ros.cli.bundles, mmer_ros.recordings.recording, sys;'
            'print(sorted({m.split(".")[0] for m in sys.modules} & {"torch", "torchaudio", '
            '"torchvision", "transformers", "facenet_pytorch", "silero_vad", "scipy", "sklearn", '
            '"matplotlib", "pandas", "onnx"}))')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() == '[]'


@pytest.fixture
def graph() -> Any:
    """Return the imports between all modules, within functions as well, but not for typing."""
    grimp = pytest.importorskip('grimp', reason='needs import-linter (make env)')
    return grimp.build_graph('mmer_ros', 'training', 'tools', exclude_type_checking_imports=True,
                             cache_dir=None)


def check_no_circle(graph: Any) -> None:
    """Raise CycleError if modules import one another in a circle."""
    TopologicalSorter({module: graph.find_modules_directly_imported_by(module)
                       for module in graph.modules}).prepare()


def test_no_modules_import_one_another_in_a_circle(graph: Any) -> None:
    """Import contracts hold the rooms apart; this holds the modules of `nodes` apart as well."""
    assert 'mmer_ros.nodes.runtime.session' in graph.modules
    check_no_circle(graph)


def test_a_circle_is_found(graph: Any) -> None:
    graph.add_import(importer='mmer_ros.types', imported='mmer_ros.nodes.runtime.session')
    with pytest.raises(CycleError):
        check_no_circle(graph)
