# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the fuzz tests have in common: mutations of files, and the only exception that may come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from mmer_ros.types import InvalidInput


def used_or_refused(step: Callable[[], Any]) -> Any:
    """Run a step; it may raise InvalidInput with one short sentence, and nothing else."""
    try:
        return step()
    except InvalidInput as error:
        text = str(error)
        assert text and len(text) < 5000 and '\n' not in text, text[:200]
        return None


@st.composite
def mutated(draw: Any, originals: Sequence[bytes]) -> bytes:
    """Return one of these files with a few cuts, repeats and changed bytes."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        # Near the ends, where headers and indices are, as often as anywhere.
        at = draw(st.one_of(st.integers(0, len(data) - 1), st.integers(0, min(200, len(data) - 1)),
                            st.integers(max(0, len(data) - 200), len(data) - 1)))
        size = draw(st.integers(1, 16))
        kind = draw(st.sampled_from(('byte', 'bytes', 'cut', 'repeat', 'end', 'number')))
        if kind == 'byte':
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == 'bytes':
            data[at:at + size] = draw(st.binary(min_size=size, max_size=size))
        elif kind == 'cut':
            del data[at:at + size]
        elif kind == 'repeat':
            data[at:at] = data[at:at + size] * draw(st.integers(1, 50))
        elif kind == 'end':
            del data[at:]
        else:
            data[at:at + 8] = draw(st.sampled_from((b'\xff' * 8, b'\0' * 8, b'\xff' * 7 + b'\x7f',
                                                    b'\0\0\0\x7f\0\0\0\0', b'\x01' + b'\0' * 7)))
    return bytes(data)


TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(('', '\x1b[31m', 'nan', 'inf', '-1', '1e400', '99999999999999999999',
                     '=1+1', '\ud800', '\0', '00:00:01,000 --> 00:00:02,000', '{"', '"', ',')))
NUMBERS = st.one_of(
    st.integers(-5, 5), st.integers(), st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from((2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 63, 10 ** 30, 1e308, 1e-308)))
VALUES = st.recursive(st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
                      lambda inner: st.one_of(st.lists(inner, max_size=4),
                                              st.dictionaries(TEXTS, inner, max_size=4)),
                      max_leaves=8)
