"""An SROS2 policy file read, with names completed as SROS2 completes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

FILE = Path(__file__).parent.parent / 'config' / 'sros2' / 'policy.xml'
RULES = {'topics': ('publish', 'subscribe'), 'services': ('reply', 'request')}


@dataclass
class Allowed:
    """Names, which may have wildcards, by what may be done with them."""

    publish: set[str] = field(default_factory=set)
    subscribe: set[str] = field(default_factory=set)
    reply: set[str] = field(default_factory=set)
    request: set[str] = field(default_factory=set)


def read(path: Path = FILE) -> dict[str, Allowed]:
    """Return what each enclave may do."""
    enclaves = {}
    for enclave in ElementTree.parse(path).iter('enclave'):
        allowed = enclaves.setdefault(enclave.attrib['path'], Allowed())
        for profile in enclave.iter('profile'):
            for rules in profile:
                for action in RULES[rules.tag]:
                    if rules.get(action) == 'ALLOW':
                        getattr(allowed, action).update(
                            complete(item.text, profile.attrib['ns'], profile.attrib['node'])
                            for item in rules)
    return enclaves


def complete(name: str, namespace: str, node: str) -> str:
    """Return the full name."""
    prefix = namespace.rstrip('/') + '/'
    if name.startswith('~'):
        return prefix + node + name[1:]
    return name if name.startswith('/') else prefix + name


def matches(name: str, expressions: set[str]) -> bool:
    """Tell whether a rule applies to a name, as DDS Security matches them."""
    return any(fnmatchcase(name, expression) for expression in expressions)
