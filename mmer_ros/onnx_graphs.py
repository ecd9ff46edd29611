# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Which engine runs the networks, and exported graphs as functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.util import find_spec
import sys
from typing import Any

from mmer_ros.types import InvalidInput
import numpy as np
from numpy.typing import NDArray

AUTO, ONNX, TORCH = 'auto', 'onnx', 'torch'
ENGINES = (AUTO, ONNX, TORCH)
INSTALL_TORCH = "install it (pip install 'mmer_ros[torch]')"

_threads = 0  # of the networks that gain by more than one; 0: as many as the engine likes


def use_threads(count: int) -> None:
    """
    Set how many CPU threads the networks use that are loaded from now on.

    :param count: 0 leaves the number to the engine.
    """
    global _threads
    _threads = count
    apply_threads_to_torch()


def apply_threads_to_torch() -> None:
    """Give torch the number of threads, once it is imported."""
    if _threads and 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(_threads)


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    return find_spec(package) is not None


def choose_engine(engine: str, device: str = 'cpu', lacking: str = '') -> str:
    """
    Return ONNX or TORCH.

    >>> choose_engine('torch')
    'torch'

    :param engine: one of ENGINES; AUTO is ONNX on a CPU if that can run, else TORCH.
    :param device: as torch names it.
    :param lacking: why the networks cannot run in ONNX Runtime; '' if they can.
    :raises InvalidInput: if the engine cannot be used here.
    """
    if engine not in ENGINES:
        raise InvalidInput(f'engine {engine!r}: expected one of {", ".join(ENGINES)}')
    if not lacking and not device.startswith('cpu'):
        lacking = f'it runs on CPUs only, not on device {device!r}; use engine torch'
    if not lacking and not is_installed('onnxruntime'):
        lacking = 'onnxruntime is not installed (pip install onnxruntime)'
    if engine == ONNX and lacking:
        raise InvalidInput(f'engine onnx: {lacking}')
    if engine != TORCH and not lacking:
        return ONNX
    if not is_installed('torch'):
        reason = f'engine onnx cannot be used: {lacking}; and ' if engine == AUTO else ''
        raise InvalidInput(f'engine {engine}: {reason}torch is not installed; {INSTALL_TORCH}')
    return TORCH


def packaged_graph(name: str, *, single: bool = False) -> Graph:
    """
    Return a graph that ships with the package.

    :param single: as of Graph.
    """
    file = resources.files('mmer_ros') / 'sensing' / 'graphs' / f'{name}.onnx'
    return Graph(file.read_bytes(), single=single)


class Graph:
    """
    A graph in ONNX Runtime, on the CPU.

    :param data: content of the .onnx file.
    :param weights: contents of the files that the graph takes its weights from, by name.
    :param path: of the file, beside those that it refers to.
    :param single: one thread is enough, since the graph is small or its steps depend on one
        another.
    :raises ValueError: if it is no graph, or does not fit its weights.
    """

    def __init__(self, data: bytes, weights: Mapping[str, bytes] | None = None, path: str = '',
                 *, single: bool = False) -> None:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if single else _threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # an error is raised as well
        # Threads that spin while they wait would take the CPU from the rest of the robot.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        source: bytes | str = data
        if weights and hasattr(options, 'add_external_initializers_from_files_in_memory'):
            options.add_external_initializers_from_files_in_memory(
                list(weights), list(weights.values()), [len(w) for w in weights.values()])
        elif weights:
            source = path  # older ones find the weights beside the graph only
        try:
            self._session = onnxruntime.InferenceSession(
                source, options, providers=['CPUExecutionProvider'])
        except Exception as error:  # onnxruntime has no narrower class in common
            raise ValueError(str(error).strip().splitlines()[0][:200]) from error
        self._inputs = [i.name for i in self._session.get_inputs()]

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the outputs; inputs in the order of the graph, contiguous."""
        outputs: list[NDArray[Any]] = self._session.run(
            None, {name: np.ascontiguousarray(x) for name, x in zip(self._inputs, inputs)})
        return outputs
