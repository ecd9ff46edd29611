# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Options of `mmer` that are parameters of the nodes, as mmer_ros.settings declares them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmer_ros.settings import NodeSettings, parameters

NAMES = ('bundle', 'prior', 'device', 'engine', 'threads')


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str] = NAMES, *,
                 defaults: bool = True) -> None:
    """
    Add an option for each of the parameters.

    :param defaults: False: an option that is not given is None, so that a file may decide.
    """
    declared = parameters()
    for name in names:
        parameter = declared[name]
        end = f' (default: {parameter.default or "empty"})' if defaults else ''
        parser.add_argument(
            f'--{name.replace("_", "-")}', type=parameter.kind, metavar=name.upper(),
            default=parameter.default if defaults else None,
            help=parameter.description.replace('%', '%%') + end)


def given_settings(options: argparse.Namespace, names: Sequence[str] = NAMES) -> dict[str, Any]:
    """
    Return the values of those options that were given, checked.

    :raises InvalidInput: naming the parameter, and what was expected.
    """
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    NodeSettings.from_parameters(given)
    return given
