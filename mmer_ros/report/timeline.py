"""What the timeline page of a recording shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import math
from typing import Any

from mmer_ros.types import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """
    What the page shows; all times are capture time, seconds.

    :param start: left end of the time axis.
    :param end: right end; the same as start if nothing was recorded.
    :param estimates: Estimate.to_dict() rows as they came, with an optional 'latency', seconds
        from the end of the utterance to the estimate.
    :param envelope: peak audio level in [0, 1] per bin; the bins divide start..end evenly.
    :param speech: (start, end) of each voiced interval.
    :param thumbnails: (stamp, JPEG file) of small camera images.
    :param transcripts: (stamp, text).
    :param faces: id -> (start, end) of when that face was there, by time.
    :param inputs: name -> (start, end) of when that input came, by time.
    :param events: what a person should know of the input: kind, stamp and text.
    :param face_stamps: stamps at which a face was used.
    :param labels: the truth where it is known: start, end, emotion (name or index), text;
        `agrees` if it was matched: whether its estimate does, None without one.
    :param notes: remarks on how the estimates were made.
    :param warning: if not empty, a loud banner.
    :param facts: name and value, such as the bundle's name and hash.
    :raises InvalidInput: if the axis is not finite or ends before it starts.
    """

    title: str
    start: float
    end: float
    estimates: Sequence[Mapping[str, Any]]
    envelope: Sequence[float] = ()
    speech: Sequence[tuple[float, float]] = ()
    thumbnails: Sequence[tuple[float, bytes]] = ()
    transcripts: Sequence[tuple[float, str]] = ()
    faces: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    face_stamps: Sequence[float] = ()
    labels: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    warning: str = ''
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the axis."""
        if not (math.isfinite(self.start) and math.isfinite(self.end)) or self.end < self.start:
            raise InvalidInput(f'timeline: {self.start!r}..{self.end!r} s is not a time span; '
                               'expected finite seconds with end >= start')
