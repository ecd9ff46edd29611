# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voice activity that somebody else detects."""

from __future__ import annotations

from mmer_ros.types import Int16


class GivenActivity:
    """
    Speech probability from elsewhere, in place of vad.SpeechProbability.

    It holds for the frames that are pushed after it was set.
    """

    def __init__(self) -> None:
        """Start in silence."""
        self.speaking = False

    def set_speaking(self, speaking: bool) -> None:
        """Take what holds from now on."""
        self.speaking = speaking

    def __call__(self, frame: Int16) -> float:
        """Return 1 while somebody speaks, else 0."""
        return float(self.speaking)
