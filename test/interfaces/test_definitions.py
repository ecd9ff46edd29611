"""The definitions for machines without ROS are those of the message package."""

from __future__ import annotations

import re

from mmer_ros.interfaces.definitions import AUDIO, AUDIO_DEFINITION, EMOTION, EMOTION_DEFINITION
import pytest

from ..fixtures.stream import ROOT


def lines(text: str) -> list[list[str]]:
    """Return fields and constants, in order, without comments."""
    found = (re.sub('#.*', '', line).split() for line in text.splitlines())
    return [line for line in found if line]


@pytest.mark.parametrize(('name', 'definition'), [
    (AUDIO, AUDIO_DEFINITION), (EMOTION, EMOTION_DEFINITION)])
def test_they_are_the_same(name: str, definition: str) -> None:
    package, folder, message = name.split('/')
    path = ROOT / package / folder / f'{message}.msg'
    assert lines(definition) == lines(path.read_text(encoding='utf-8'))
