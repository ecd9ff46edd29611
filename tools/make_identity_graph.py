# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""
The network that tells people apart by their faces, as a graph.

It is the residual network of dlib's face recognition (29 convolutions, 128 numbers a face), which
its author Davis King released to the public domain (CC0), with the weights as face-api.js (MIT
licence) publishes them: at 8 bits, 6.4 MB. The graph keeps the 8 bits.

    npm pack @vladmandic/face-api && tar xzf vladmandic-face-api-*.tgz
    python -m tools.make_identity_graph package/model
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys
from typing import Any

from mmer_ros.sensing.face_identity import CHIP_SIZE, GRAPH
import numpy as np
from onnx import checker, helper, numpy_helper, TensorProto

MODEL = 'face_recognition_model'
GRAPHS = Path(__file__).resolve().parent.parent / 'mmer_ros' / 'sensing' / 'graphs'
OPSET = 17
MEAN = (122.782, 117.001, 104.298)  # of the training images, red, green, blue
STAGES = (('conv32', 3), ('conv64', 3), ('conv128', 2), ('conv256', 2))  # blocks of each width


class GraphMaker:
    """
    Collects nodes and weights.

    :param weights: by name; what is stored at 8 bits, with its scale and minimum.
    """

    def __init__(self, weights: dict[str, tuple[np.ndarray, float, float]]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        output = f'{kind}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, array: np.ndarray) -> str:
        """Add a constant."""
        name = f'constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, shape: Sequence[int] = ()) -> str:
        """Add a weight; the engine computes it once from its 8 bits, when it loads the graph."""
        array, scale, minimum = self.weights[name]
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)  # to output, input, height, width
        stored = self.constant(np.ascontiguousarray(array.reshape(shape or array.shape)))
        if array.dtype != np.uint8:
            return stored
        scaled = self.op('Mul', self.op('Cast', stored, to=TensorProto.FLOAT),
                         self.constant(np.float32(scale)))
        return self.op('Add', scaled, self.constant(np.float32(minimum)))

    def conv(self, x: str, name: str, *, stride: int = 1, pad: int = 1, relu: bool = True) -> str:
        """Add a convolution with the scaling that follows it."""
        y = self.op('Conv', x, self.weight(f'{name}/conv/filters'),
                    self.weight(f'{name}/conv/bias'), strides=[stride, stride], pads=[pad] * 4)
        scaled = self.op('Mul', y, self.weight(f'{name}/scale/weights', (1, -1, 1, 1)))
        y = self.op('Add', scaled, self.weight(f'{name}/scale/biases', (1, -1, 1, 1)))
        return self.op('Relu', y) if relu else y

    def block(self, x: str, name: str) -> str:
        """Add a residual block."""
        y = self.conv(self.conv(x, f'{name}/conv1'), f'{name}/conv2', relu=False)
        return self.op('Relu', self.op('Add', x, y))

    def down(self, x: str, name: str, size: int, wider: bool) -> tuple[str, int]:
        """
        Add a residual block that halves height and width.

        :param size: height and width of x.
        :param wider: it doubles the number of channels.
        """
        y = self.conv(self.conv(x, f'{name}/conv1', stride=2, pad=0), f'{name}/conv2', relu=False)
        pooled, half = self.op('AveragePool', x, kernel_shape=[2, 2], strides=[2, 2]), size // 2
        lacking = half - ((size - 3) // 2 + 1)
        if lacking:
            y = self._padded(y, (0, 0, 0, 0, 0, 0, lacking, lacking))
        if wider:
            channels = self.weights[f'{name}/conv1/conv/filters'][0].shape[2]
            pooled = self._padded(pooled, (0, 0, 0, 0, 0, channels, 0, 0))
        return self.op('Relu', self.op('Add', pooled, y)), half

    def _padded(self, x: str, pads: Sequence[int]) -> str:
        return self.op('Pad', x, self.constant(np.array(pads, np.int64)))


def identity_graph(folder: Path) -> bytes:
    """
    Return the graph: chips (B, 3, CHIP_SIZE, CHIP_SIZE) float32 RGB 0..255 to (B, 128).

    :param folder: with the weights as face-api.js publishes them.
    """
    maker = GraphMaker(read_weights(folder))
    centred = maker.op('Sub', 'chips', maker.constant(
        np.array(MEAN, np.float32).reshape(1, 3, 1, 1)))
    x = maker.op('Mul', centred, maker.constant(np.float32(1 / 256)))
    x = maker.conv(x, 'conv32_down', stride=2, pad=0)
    x = maker.op('MaxPool', x, kernel_shape=[3, 3], strides=[2, 2])
    size = ((CHIP_SIZE - 7) // 2 + 1 - 3) // 2 + 1
    for stage, blocks in STAGES:
        if stage != STAGES[0][0]:
            x, size = maker.down(x, f'{stage}_down', size, wider=True)
        for block in range(1, blocks + 1):
            x = maker.block(x, f'{stage}_{block}')
    x, _ = maker.down(x, 'conv256_down_out', size, wider=False)
    mean = maker.op('ReduceMean', x, axes=[2, 3], keepdims=0)
    last = maker.op('MatMul', mean, maker.weight('fc'))
    graph = helper.make_graph(
        maker.nodes, 'face_identity',
        [helper.make_tensor_value_info('chips', TensorProto.FLOAT,
                                       ['batch', 3, CHIP_SIZE, CHIP_SIZE])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ['batch', 128])],
        maker.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', OPSET)])
    model.ir_version = 8  # that onnxruntime 1.20 reads
    checker.check_model(model)
    return bytes(model.SerializeToString())


def read_weights(folder: Path) -> dict[str, tuple[np.ndarray, float, float]]:
    """Return each weight as stored, its scale and its minimum."""
    manifest = json.loads((folder / f'{MODEL}-weights_manifest.json').read_text(encoding='utf-8'))
    data, place, weights = (folder / f'{MODEL}.bin').read_bytes(), 0, {}
    for entry in manifest[0]['weights']:
        stored = entry.get('quantization', {'dtype': 'float32', 'scale': 1.0, 'min': 0.0})
        count, dtype = int(np.prod(entry['shape'])), np.dtype(stored['dtype'])
        array = np.frombuffer(data, dtype, count, place).reshape(entry['shape'])
        weights[entry['name']] = array, stored['scale'], stored['min']
        place += count * dtype.itemsize
    return weights


def main(arguments: list[str] | None = None) -> int:
    """Write the graph."""
    parser = argparse.ArgumentParser(prog='python -m tools.make_identity_graph')
    parser.add_argument('folder', type=Path, help='folder `model` of @vladmandic/face-api')
    data = identity_graph(parser.parse_args(arguments).folder)
    (GRAPHS / f'{GRAPH}.onnx').write_bytes(data)
    print(f'{GRAPH}.onnx: {len(data)} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
