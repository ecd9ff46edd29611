"""Voice activity that somebody else detects."""

from __future__ import annotations

from mmer_ros.types import Int16


class GivenActivity:
    """
    Speech probability as told, in place of vad.SpeechProbability.

    It holds for the frames that are pushed after it was told.
    """

    def __init__(self) -> None:
        """Start in silence."""
        self.speaking = False

    def tell(self, speaking: bool) -> None:
        """Take what holds from now on."""
        self.speaking = speaking

    def __call__(self, frame: Int16) -> float:
        """Return 1 while somebody speaks, else 0."""
        return float(self.speaking)
