# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer policy`: the SROS2 policy for robots with namespaces."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
import re
import sys
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from mmer_ros.types import InvalidInput
from rich.console import Console

# Enclaves of which each robot has its own; the others serve all robots.
OF_A_ROBOT = ('emotion', 'segmenter', 'companion')
# What these full names begin with is below the namespace of each robot.
BELOW_A_ROBOT = ('/emotion/', '/segmenter/', '/humans/')
ANYWHERE = '/monitor_*/'  # below a robot or not
ESTIMATOR = 'estimator'
NAMESPACE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer policy`."""
    parser.set_defaults(run=run)
    parser.add_argument('file', type=Path, metavar='POLICY', help=(
        'the policy of one robot without a namespace, config/sros2/policy.xml of the package'))
    parser.add_argument('--namespace', action='append', required=True, metavar='NAME', help=(
        'of a robot; give it for each of them'))
    parser.add_argument('--estimator-namespace', default='', metavar='NAME', help=(
        'of the estimator, if it has one'))


def run(options: argparse.Namespace, console: Console) -> int:
    """Print the policy."""
    try:
        parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        policy = ElementTree.parse(options.file, parser).getroot()
    except ElementTree.ParseError as error:
        raise InvalidInput(f'{options.file} is no policy of SROS2: {error}') from error
    names = [_checked(name) for name in options.namespace]
    render(policy, names, _checked(options.estimator_namespace, empty=True))
    ElementTree.indent(policy)
    sys.stdout.write(ElementTree.tostring(policy, 'unicode', xml_declaration=True) + '\n')
    return 0


def render(policy: Element, namespaces: Sequence[str], estimator: str = '') -> None:
    """
    Turn the policy of one robot into that of several.

    Each robot has enclaves of its own, such as /mmer/robot1/segmenter. The estimator and those who
    read, operate or replace sensors have one enclave each, with the names of all robots.

    :param policy: the element `policy`, which is changed.
    :param namespaces: of the robots, without slashes around them.
    :param estimator: namespace of the estimator, or ''.
    :raises InvalidInput: if there are no enclaves in it.
    """
    enclaves = policy.find('enclaves')
    if enclaves is None:
        raise InvalidInput('the policy has no element `enclaves`; expected one of SROS2')
    found = list(enclaves)
    for child in found:
        enclaves.remove(child)
    for child in found:
        folder, _, name = child.get('path', '').rpartition('/')
        if name in OF_A_ROBOT:
            enclaves.extend(_of_a_robot(child, f'{folder}/{space}/{name}', space)
                            for space in namespaces)
            continue
        for profile in child.iter('profile'):
            if profile.get('node') == ESTIMATOR:
                profile.set('ns', f'/{estimator}')
            _serve_all(profile, namespaces, f'/{estimator}/'.replace('//', '/'))
        enclaves.append(child)


def _of_a_robot(enclave: Element, path: str, namespace: str) -> Element:
    """Return the enclave in a namespace, which completes its relative names."""
    own = deepcopy(enclave)
    own.set('path', path)
    for profile in own.iter('profile'):
        profile.set('ns', f'/{namespace}')
    return own


def _serve_all(profile: Element, namespaces: Sequence[str], estimator: str) -> None:
    """Replace each name that is below a robot by those of all robots."""
    for rules in profile:
        for item in list(rules):
            name = item.text or ''
            if name.startswith(f'/{ESTIMATOR}/'):
                item.text = estimator + name[1:]
            elif name.startswith((*BELOW_A_ROBOT, ANYWHERE)) or not name.startswith(('/', '~')):
                place = list(rules).index(item) + 1
                if not name.startswith(ANYWHERE):
                    place -= 1
                    rules.remove(item)
                for number, space in enumerate(namespaces):
                    own = deepcopy(item)
                    own.text = f'/{space}/{name.lstrip("/")}'
                    rules.insert(place + number, own)


def _checked(name: str, *, empty: bool = False) -> str:
    plain = name.strip('/')
    if not NAMESPACE.fullmatch(plain) and not (empty and not plain):
        raise InvalidInput(f'namespace {name[:40]!r}; expected letters, digits and _, with / in '
                           'between')
    return plain
