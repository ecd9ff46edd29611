# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The parameters of a node, as mmer_ros.settings declares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
import re
from typing import Any

from mmer_ros.settings import (
    HealthLimits,
    NODES,
    NodeSettings,
    Parameter,
    parameters,
    unknown_parameter,
)
from mmer_ros.types import InvalidInput
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
import yaml


class NodeParameters:
    """
    Declare the parameters of a node, read them and judge changes.

    >>> NodeParameters(node, 'segmenter').settings().image_topic
    'image'

    :param kind: 'emotion', 'segmenter' or 'estimator', whatever the node is called.
    :param model: declares them.
    """

    def __init__(self, node: Node, kind: str, model: type[NodeSettings] = NodeSettings) -> None:
        self.declared = parameters(model, node=kind)
        self._known = parameters(model)
        self._model = model
        self._node = node
        for parameter in self.declared.values():
            node.declare_parameter(parameter.name, parameter.default, _descriptor(parameter))

    def settings(self) -> NodeSettings:
        """
        Return the present values, those of other nodes by default.

        :raises InvalidInput: naming each parameter that is wrong, and what was expected.
        """
        return self._model.from_parameters(self._values())

    def unchecked(self) -> NodeSettings:
        """Return the present values as they are, without the groups."""
        return self._model.model_construct(**self._values())

    def limits(self) -> HealthLimits:
        """Return the present thresholds of /diagnostics."""
        return HealthLimits(**{name.removeprefix('health.'): value for name, value in
                               self._values().items() if name.startswith('health.')})

    def problem(self, change: RosParameter, *, configured: bool) -> str:
        """
        Return why a parameter cannot be changed; '' if it can.

        :param configured: only live parameters may change.
        """
        parameter = self.declared.get(change.name)
        if parameter is None:
            return ''
        if configured and not parameter.live:
            return (f'{change.name} takes effect when the node is configured: deactivate and '
                    'clean it up, set it, configure it again')
        try:
            self._model.from_parameters({change.name: change.value})
        except InvalidInput as error:
            return str(error)
        return ''

    def unknown(self) -> list[str]:
        """Return a warning for each parameter that was given to the node but has no effect."""
        # rclpy offers no other way to what a parameter file or the command line gave.
        given = self._node._parameter_overrides
        return [warning for name in sorted(given) if not self._node.has_parameter(name)
                and (warning := unknown_parameter(name, self._known))]

    def _values(self) -> dict[str, Any]:
        return {name: self._node.get_parameter(name).value for name in self.declared}


def useless_files(arguments: Sequence[str], node: str) -> list[str]:
    """
    Return a warning for each parameter file that has nothing for any node of ours.

    :param arguments: of the process.
    :param node: full name of its node, e.g. /robot1/emotion.
    """
    warnings = []
    for path in (Path(value) for word, value in pairwise(arguments) if word == '--params-file'):
        try:
            blocks = list(_blocks(yaml.safe_load(path.read_text(encoding='utf-8')), ''))
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            continue  # rcl has read it
        own = node.rpartition('/')[2]
        others = {name for name in NODES if name != own}
        if not any(_names(block, node) or block.rpartition('/')[2] in others for block in blocks):
            warnings.append(f'the parameter file {path} has no effect: its parameters are for '
                            f'{", ".join(blocks) or "no node"}; this node is {node}; write that, '
                            'or /** for every node')
    return warnings


def _blocks(content: Any, name: str) -> Iterator[str]:
    """Return the names of the nodes that a parameter file has parameters for."""
    for key, value in content.items() if isinstance(content, dict) else ():
        if key == 'ros__parameters':
            yield name
        else:
            yield from _blocks(value, f'{name}/{str(key).strip("/")}')


def _names(block: str, node: str) -> bool:
    """Return whether the name of a block, with wildcards, is that of a node."""
    tokens = {'**': r'(/\w+)*', '*': r'/\w+'}
    pattern = ''.join(tokens.get(t, '/' + re.escape(t)) for t in block.split('/')[1:])
    return re.fullmatch(pattern, node) is not None


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.description, read_only=parameter.read_only,
        additional_constraints=f'It must be {parameter.expected}.')
    if parameter.minimum is None or parameter.maximum is None:
        return descriptor
    low, high = parameter.kind(parameter.minimum), parameter.kind(parameter.maximum)
    if parameter.kind is int:
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    else:
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor
