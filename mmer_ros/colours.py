# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One colour an emotion, the same on pages, debug images, terminals and in Foxglove."""

from __future__ import annotations

RGB = tuple[int, int, int]

# From Okabe and Ito's palette, tuned so that every pair stays apart under simulated protanopia,
# deuteranopia and tritanopia (CIEDE2000 above 11). A name always stands beside a colour.
COLOURS = {
    'neutral': '#c0c6ce', 'surprise': '#56b4e9', 'fear': '#c76ba6', 'sadness': '#0a66b0',
    'joy': '#f2d93b', 'disgust': '#009e73', 'anger': '#d55e00'}
DARK_INK, LIGHT_INK = '#14181d', '#ffffff'


def rgb(colour: str) -> RGB:
    """Return red, green and blue, 0..255, of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it, 1..21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + .05) / (dark + .05)


def ink(colour: str) -> str:
    """Return the colour of letters that are easy to read on this colour."""
    return max((DARK_INK, LIGHT_INK), key=lambda each: contrast(each, colour))


def _luminance(colour: str) -> float:
    shares = [value / 255 for value in rgb(colour)]
    red, green, blue = (s / 12.92 if s <= .03928 else ((s + .055) / 1.055) ** 2.4 for s in shares)
    return .2126 * red + .7152 * green + .0722 * blue
