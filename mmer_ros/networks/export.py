# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Export of a model to ONNX graphs, whose weights stay in the bundle's safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
import io
import json
import struct
from typing import Any
import warnings

from mmer_ros.networks.emotion_model import audio_gate, EmotionModel
from mmer_ros.networks.encoder import Exported
from mmer_ros.networks.onnx_networks import FUSION, VOICE_CLASSIFIER
from mmer_ros.types import MODALITIES, Modality
import torch
from torch import nn, Tensor

OPSET = 17
_HEADER_SIZE = struct.Struct('<Q')  # of a safetensors file: the length of its JSON header


def export_graphs(model: EmotionModel, weights: bytes, file: str,
                  current_name: Callable[[str], str] = lambda name: name) -> dict[str, bytes]:
    """
    Return a model as ONNX graphs, by name.

    :param weights: the safetensors file with the model's weights; the graphs refer to it.
    :param file: its name.
    :param current_name: gives the model's name of a weight in it.
    :return: {} if an encoder cannot be exported.
    """
    functions: dict[str, Exported] = {}
    for encoder in model.encoders.values():
        exported = encoder.exported()
        if not exported:
            return {}
        functions |= exported
    functions[FUSION] = _exported_fusion(model)
    if isinstance(model.encoders[Modality.AUDIO].classifier, nn.Linear):
        functions[VOICE_CLASSIFIER] = _exported_voice_classifier(model)
    places = {current_name(name): place for name, place in _places(weights).items()}
    with torch.no_grad(), _without_conv1d():
        return {name: _refer(_export(model, one), file, places)
                for name, one in functions.items()}


class _Function(nn.Module):
    """A function of parts of a model, whose weights keep their names."""

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        for name, part in model.named_children():
            self.add_module(name, part)
        self._function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self._function(*inputs)


def _exported_fusion(model: EmotionModel) -> Exported:
    """Return the fusion as a function of features and masks of all modalities in turn."""
    def fuse(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = {m: (inputs[2 * m.column], inputs[2 * m.column + 1]) for m in MODALITIES}
        output = model.fuse(features, inputs[-1])
        return output.logits, output.weights

    inputs: dict[str, Tensor] = {}
    axes: dict[str, dict[int, str]] = {'logits': {0: 'batch'}, 'weights_out': {0: 'batch'}}
    for modality in MODALITIES:
        name, steps = modality.key, 2 + modality.column
        mask = torch.ones(2, steps, dtype=torch.bool)
        mask[1] = modality is Modality.TEXT  # a row with one modality, and one with all
        inputs |= {name: torch.zeros(2, steps, model.encoders[modality].width),
                   f'{name}_mask': mask}
        axes |= dict.fromkeys((name, f'{name}_mask'), {0: 'batch', 1: f'{name}_steps'})
    inputs['weights'] = torch.ones(len(MODALITIES))
    return Exported(fuse, inputs, ('logits', 'weights_out'), axes)


def _exported_voice_classifier(model: EmotionModel) -> Exported:
    """Return what OnnxVoiceClassifier needs of a mean feature: logits, gate and the weight."""
    classifier, gate = model.encoders[Modality.AUDIO].classifier, audio_gate(model)
    assert isinstance(classifier, nn.Linear)  # the caller has looked

    def classify(mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        opened: Tensor = gate(mean) if gate is not None else torch.ones_like(mean[:, :1])
        return classifier(mean), opened, classifier.weight * 1

    width = model.encoders[Modality.AUDIO].width
    return Exported(classify, {'mean': torch.zeros(1, width)}, ('logits', 'gate', 'weight'), {})


def _export(model: nn.Module, exported: Exported) -> Any:
    import onnx
    file: Any = io.BytesIO()
    with warnings.catch_warnings():
        # The tracer warns of sizes that it takes for constants; tests compare the results.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            _Function(model, exported.function).eval(), tuple(exported.inputs.values()),
            file, input_names=list(exported.inputs), output_names=list(exported.outputs),
            dynamic_axes={name: dict(axes) for name, axes in exported.axes.items()},
            opset_version=OPSET, dynamo=False, do_constant_folding=False)
    return onnx.load_from_string(file.getvalue())


@contextmanager
def _without_conv1d() -> Iterator[None]:
    """Let transformers' Conv1D be a plain product, whose shapes stay open in a graph."""
    from transformers.pytorch_utils import Conv1D
    forward = Conv1D.forward
    setattr(Conv1D, 'forward', lambda self, x: x @ self.weight + self.bias)  # noqa: B010
    try:
        yield
    finally:
        setattr(Conv1D, 'forward', forward)  # noqa: B010


def _places(weights: bytes) -> dict[str, tuple[str, int, int]]:
    """Return type, offset in the file and length of each tensor of a safetensors file."""
    size, = _HEADER_SIZE.unpack_from(weights)
    start = _HEADER_SIZE.size + size
    header = json.loads(weights[_HEADER_SIZE.size:start])
    return {name: (entry['dtype'], start + entry['data_offsets'][0],
                   entry['data_offsets'][1] - entry['data_offsets'][0])
            for name, entry in header.items() if name != '__metadata__'}


def _refer(graph: Any, file: str, places: Mapping[str, tuple[str, int, int]]) -> bytes:
    """Let the graph's weights be those in the file, made float32 where they are stored shorter."""
    import onnx
    types = {'F32': onnx.TensorProto.FLOAT, 'F16': onnx.TensorProto.FLOAT16}
    casts: list[tuple[int, Any]] = []  # nodes, and where they are inserted
    for tensor in graph.graph.initializer:
        if tensor.name not in places:
            continue  # a constant of the network, not a weight
        stored, offset, length = places[tensor.name]
        if stored not in types:
            continue
        tensor.ClearField('raw_data')
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (('location', file), ('offset', offset), ('length', length)):
            tensor.external_data.add(key=key, value=str(value))
        if stored == 'F16':
            tensor.data_type = types[stored]
            lookups = _lookups(graph.graph, tensor.name)
            if lookups:  # a table such as token embeddings stays short in memory, too
                casts += lookups
                continue
            whole, tensor.name = tensor.name, f'{tensor.name}.f16'
            casts.append((0, _to_float32(tensor.name, whole)))
    for place, cast in sorted(casts, key=lambda each: each[0], reverse=True):
        graph.graph.node.insert(place, cast)
    data: bytes = graph.SerializeToString()
    return data


def _lookups(graph: Any, table: str) -> list[tuple[int, Any]]:
    """
    Let rows of a table be made float32 after they are looked up, if that is its only use.

    :return: the casts and their places; [] if the table is used otherwise.
    """
    users = [(i, node) for i, node in enumerate(graph.node) if table in node.input]
    if any(node.op_type != 'Gather' or node.input[0] != table for _, node in users):
        return []
    casts = []
    for i, node in users:
        rows, node.output[0] = node.output[0], f'{node.output[0]}.f16'
        casts.append((i + 1, _to_float32(node.output[0], rows)))
    return casts


def _to_float32(name: str, result: str) -> Any:
    import onnx
    return onnx.helper.make_node('Cast', [name], [result], to=onnx.TensorProto.FLOAT)
