"""A ROS domain for each test: nodes of other tests may be there for a while after their end."""

from __future__ import annotations

from itertools import count
import os

import pytest

_TESTS = count(50)


def use_own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let contexts and processes that begin from now on be in a domain of this test alone."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(1 + (os.getpid() + next(_TESTS)) % 100))
