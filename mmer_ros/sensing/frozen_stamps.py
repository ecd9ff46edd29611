# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sources whose stamps stand still while their messages go on."""

from __future__ import annotations

from dataclasses import dataclass

MIN_REPEATS = 5  # messages of one stamp; a camera may send a picture twice
MIN_SPAN_S = 0.3  # between the arrivals of the first and the last of them


@dataclass
class _Source:
    stamp: float
    since: float
    repeats: int = 0


class FrozenStamps:
    """
    Whether the stamp of a message can be believed.

    >>> stamps = FrozenStamps()
    >>> [stamps.is_frozen('image', 7.0, tenth / 10) for tenth in range(7)]
    [False, False, False, False, False, True, True]
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def is_frozen(self, source: str, stamp: float, arrival: float) -> bool:
        """
        Return whether a source repeats a stamp although time goes on.

        :param stamp: of the message, seconds.
        :param arrival: when it came, by any clock, seconds.
        """
        known = self._sources.get(source)
        if known is None or stamp != known.stamp:
            self._sources[source] = _Source(stamp, arrival)
            return False
        known.repeats += 1
        return known.repeats >= MIN_REPEATS and arrival - known.since >= MIN_SPAN_S


def frozen_text(kind: str) -> str:
    """Return what to report of an input whose stamps stand still."""
    return (f'{kind}: the stamps stand still while messages come; the time of arrival is used '
            'instead, which shifts and jitters; correct the driver')
