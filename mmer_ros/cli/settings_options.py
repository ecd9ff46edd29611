"""Options of `mmer` that are parameters of the nodes, as mmer_ros.settings declares them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmer_ros.settings import NodeSettings, parameters

NAMES = ('bundle', 'prior', 'device', 'threads')


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
