# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The networks of face detection and voice activity as graphs, from the packages that publish them.

`python -m tools.make_sensing_graphs` writes mmer_ros/sensing/graphs/: MTCNN's networks from
facenet-pytorch, and the file of silero-vad as it is. Both are under the MIT licence, which is
written beside them.
"""

from __future__ import annotations

import io
from pathlib import Path
import sys
import warnings

from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from mmer_ros.sensing.mtcnn import SIZES
import torch

GRAPHS = Path(__file__).resolve().parent.parent / 'mmer_ros' / 'sensing' / 'graphs'
OPSET = 17


def sensing_graphs() -> dict[str, bytes]:
    """Return the graphs by the name of their file."""
    import silero_vad
    silero = Path(str(silero_vad.__file__)).parent / 'data' / 'silero_vad_16k_op15.onnx'
    images = {'images': {0: 'batch'}}
    open_size = {'images': {0: 'batch', 2: 'height', 3: 'width'}}
    return {
        'silero_vad.onnx': silero.read_bytes(),
        'mtcnn_propose.onnx': _graph(PNet(), 20, ['corrections', 'scores'], open_size),
        'mtcnn_refine.onnx': _graph(RNet(), SIZES[0], ['corrections', 'scores'], images),
        'mtcnn_output.onnx': _graph(
            ONet(), SIZES[1], ['corrections', 'landmarks', 'scores'], images)}


def _graph(network: torch.nn.Module, size: int, outputs: list[str],
           axes: dict[str, dict[int, str]]) -> bytes:
    file = io.BytesIO()
    places = {name: {axis: f'{label}_out' if axis else label
                     for axis, label in axes['images'].items()} for name in outputs}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the tracer's, about constants
        torch.onnx.export(network.eval(), (torch.zeros(2, 3, size, size),), file,
                          input_names=['images'], output_names=outputs,
                          dynamic_axes=axes | places, opset_version=OPSET, dynamo=False)
    return file.getvalue()


def main() -> int:
    """Write the graphs."""
    GRAPHS.mkdir(exist_ok=True)
    for name, data in sensing_graphs().items():
        (GRAPHS / name).write_bytes(data)
        print(f'{GRAPHS / name}: {len(data)} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
