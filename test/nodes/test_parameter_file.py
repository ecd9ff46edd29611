"""The parameter file that is installed and launched by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes import parameters
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE

from ..fixtures.ros import running
from ..fixtures.split import split

FILE = Path(__file__).parents[2] / 'config' / 'emotion.yaml'


def dotted(values: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested parameters as the node names them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= dotted(value, f'{prefix}{name}.') if isinstance(value, dict) else {
            prefix + name: value}
    return flat


def declared(node: Any) -> dict[str, Any]:
    """Return the parameters of a node that are ours."""
    return {name: parameter.value for name, parameter in
            node.get_parameters_by_prefix('').items() if parameters.is_known(name)}


def test_it_names_every_parameter_with_its_default_and_type():
    written = dotted(yaml.safe_load(FILE.read_text())['/**']['ros__parameters'])
    with running(activate=False, partial_rate=1.0, bundle=DEFAULT_BUNDLE) as rig:
        found = declared(rig.node)
    with split(activate=False, estimator={'partial_rate': 1.0}, bundle=DEFAULT_BUNDLE) as rig:
        for node in rig.nodes:
            found |= declared(node)
    assert written == found
    assert {n: type(v) for n, v in written.items()} == {n: type(v) for n, v in found.items()}


def test_a_parameter_means_the_same_in_every_node():
    nodes = (parameters.EMOTION, parameters.SEGMENTING, parameters.ESTIMATING)
    assert set().union(*nodes) == set(parameters.PARAMETERS)
    assert all(len(set(names)) == len(names) for names in nodes)
    assert set(parameters.EMOTION) <= {*parameters.SEGMENTING, *parameters.ESTIMATING}
