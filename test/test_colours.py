# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The colours of the emotions: one table, and everybody can tell them apart."""

from __future__ import annotations

from itertools import combinations
import json
from pathlib import Path

from mmer_ros.colours import COLOURS, contrast, ink, rgb
from mmer_ros.monitor.person_card import STYLES
from mmer_ros.report.overlay import COLOURS as DRAWN
from mmer_ros.types import EMOTIONS
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

FOXGLOVE = Path(__file__).parents[1] / 'config' / 'foxglove_layout.json'
# Machado, Oliveira, Fernandes 2009: full dichromacy, on linear RGB.
SIMULATED = {
    'none': [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    'protanopia': [[.152286, 1.052583, -.204868], [.114503, .786281, .099216],
                   [-.003882, -.048116, 1.051998]],
    'deuteranopia': [[.367322, .860646, -.227968], [.280085, .672501, .047413],
                     [-.011820, .042940, .968881]],
    'tritanopia': [[1.255528, -.076749, -.178779], [-.078411, .930809, .147602],
                   [.004733, .691367, .303900]]}


def seen(colour: str, matrix: list[list[float]]) -> np.ndarray:
    """Return what an eye sees of a colour, CIELAB."""
    values = np.array(rgb(colour)) / 255
    linear = np.where(values <= .04045, values / 12.92, ((values + .055) / 1.055) ** 2.4)
    shifted = np.clip(np.array(matrix) @ linear, 0, 1)
    back = np.where(shifted <= .0031308, 12.92 * shifted, 1.055 * shifted ** (1 / 2.4) - .055)
    return np.asarray(rgb2lab(back[None, None])[0, 0])


@pytest.mark.parametrize('kind', SIMULATED)
def test_every_pair_stays_apart_whatever_colours_an_eye_sees(kind: str) -> None:
    labs = {name: seen(colour, SIMULATED[kind]) for name, colour in COLOURS.items()}
    for one, other in combinations(labs, 2):
        assert deltaE_ciede2000(labs[one], labs[other]) > 11, (one, other)


def test_letters_on_a_colour_can_be_read() -> None:
    for colour in COLOURS.values():
        assert contrast(ink(colour), colour) >= 4.5  # WCAG AA


def test_pages_pictures_terminal_and_foxglove_share_the_table() -> None:
    assert tuple(COLOURS) == EMOTIONS
    assert DRAWN == tuple(rgb(colour) for colour in COLOURS.values())
    assert STYLES == COLOURS
    text = json.loads(FOXGLOVE.read_text())
    paths = text['configById']['Plot!probabilities']['paths']
    assert {path['label']: path['color'] for path in paths} == COLOURS
