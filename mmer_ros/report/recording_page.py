"""The timeline page of a recording: what was seen and heard, beside what was estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from pathlib import Path
from typing import Any

from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb, image_to_rgb
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from mmer_ros.replay.pictures import Levels, shrink, to_jpeg
from mmer_ros.report.timeline import Timeline
from mmer_ros.types import InvalidInput

THUMBNAIL_PERIOD_S = 1.0


def read_labels(path: Path) -> list[dict[str, Any]]:
    """
    Read the truth about a recording.

    :param path: CSV with the columns start, end (capture time, seconds), emotion and text.
    :return: its rows; none if there is no such file.
    :raises InvalidInput: if the columns are not there.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline='', encoding='utf-8') as file:
            return [{**row, 'start': float(row['start']), 'end': float(row['end'])}
                    for row in csv.DictReader(file)]
    except (KeyError, ValueError) as error:
        raise InvalidInput(f'{path}: expected CSV with the columns start, end (seconds), emotion '
                           f'and text: {error!r}') from error


def timeline_of(recording: Recording, estimates: Sequence[Mapping[str, Any]], *,
                title: str, labels: Sequence[Mapping[str, Any]] = (), warning: str = '',
                facts: Mapping[str, str] | None = None) -> Timeline:
    """
    Lay a recording out for report.write_timeline.

    :param recording: open.
    :param estimates: Estimate.to_dict() rows.
    """
    start, end = recording.start, recording.end
    levels = Levels(2 * (end - start) + 60)
    thumbnails: list[tuple[float, bytes]] = []
    transcripts: list[tuple[float, str]] = []
    for recorded in recording.messages():
        if recorded.msgtype == AUDIO:
            message = recording.decode(recorded)
            levels.add(chunk_to_block(message, message.header.stamp.sec
                                      + message.header.stamp.nanosec / 1e9))
        elif recorded.msgtype == TRANSCRIPT:
            transcripts.append((recorded.time, recording.decode(recorded).data))
        elif recorded.msgtype in (IMAGE, COMPRESSED_IMAGE):
            if not thumbnails or recorded.time - thumbnails[-1][0] >= THUMBNAIL_PERIOD_S:
                message = recording.decode(recorded)
                is_raw = recorded.msgtype == IMAGE
                image = image_to_rgb(message) if is_raw else compressed_to_rgb(message)
                thumbnails.append((recorded.time, to_jpeg(shrink(image))))
    return Timeline(
        title=title, start=start, end=end, estimates=estimates, envelope=levels.over(start, end),
        speech=[(row['start'], row['end']) for row in estimates
                if row['final'] and not row['revision']], thumbnails=thumbnails,
        transcripts=transcripts, labels=labels, warning=warning, facts=facts or {})
