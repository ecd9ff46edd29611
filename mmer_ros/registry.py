# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Registries of exchangeable parts, which a bundle's configuration names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

PLUGINS = 'mmer_ros.plugins'
Part = TypeVar('Part')


@cache
def load_plugins() -> tuple[str, ...]:
    """
    Import the modules that installed packages name in the entry point group `mmer_ros.plugins`.

    A module registers its parts when it is imported.

    :return: names of the entry points.
    """
    found = tuple(entry_points(group=PLUGINS))
    for entry in found:
        entry.load()
    return tuple(entry.name for entry in found)


def imported_later(module: str, name: str) -> Callable[..., Any]:
    """
    Return what calls a function of a module that is imported at the first call.

    Registered parts whose module is heavy cost nothing until one is made.
    """
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)
    return call


class Registry(Generic[Part]):
    """
    Parts of one kind by name.

    >>> greetings = Registry[str]('greeting')
    >>> greetings.add('morning', 'Good morning')
    >>> greetings.find('morning')
    'Good morning'

    :param kind: of the parts, for messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, Part] = {}

    def add(self, name: str, part: Part) -> None:
        """
        Register a part under a name.

        :raises ValueError: if another part has the name.
        """
        if self._parts.setdefault(name, part) != part:
            raise ValueError(f'{self.kind} {name!r}: the name is taken by {self._parts[name]}; '
                             'choose another')

    def find(self, name: str) -> Part:
        """
        Return the part of a name; of packages that are installed but not imported as well.

        :raises ValueError: if there is none.
        """
        if name not in self._parts:
            load_plugins()
        if name not in self._parts:
            raise ValueError(
                f'{self.kind} {name!r}: expected one of {", ".join(self.names())}; correct the '
                'name, or install the package that registers it')
        return self._parts[name]

    def names(self) -> list[str]:
        """Return the names of all parts."""
        return sorted(self._parts)
