"""The timeline page of a recording: what was seen and heard, beside what was estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from pathlib import Path
from typing import Any

import cv2
from mmer_ros.audio import to_mono
from mmer_ros.messages import chunk_to_block, compressed_to_rgb, image_to_rgb
from mmer_ros.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from mmer_ros.timeline import Timeline
from mmer_ros.types import InvalidInput, UInt8
import numpy as np

ENVELOPE_BINS_PER_S = 25
THUMBNAIL_PERIOD_S = 1.0
THUMBNAIL_HEIGHT = 72  # pixels
JPEG_QUALITY = 70


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
    envelope = np.zeros(max(1, round((end - start) * ENVELOPE_BINS_PER_S)))
    thumbnails: list[tuple[float, bytes]] = []
    transcripts: list[tuple[float, str]] = []
    for recorded in recording.messages():
        if recorded.msgtype == AUDIO:
            _add_level(envelope, recording.decode(recorded), start)
        elif recorded.msgtype == TRANSCRIPT:
            transcripts.append((recorded.time, recording.decode(recorded).data))
        elif recorded.msgtype in (IMAGE, COMPRESSED_IMAGE):
            if not thumbnails or recorded.time - thumbnails[-1][0] >= THUMBNAIL_PERIOD_S:
                message = recording.decode(recorded)
                is_raw = recorded.msgtype == IMAGE
                image = image_to_rgb(message) if is_raw else compressed_to_rgb(message)
                thumbnails.append((recorded.time, _thumbnail(image)))
    return Timeline(
        title=title, start=start, end=end, estimates=estimates, envelope=envelope.tolist(),
        speech=[(row['start'], row['end']) for row in estimates], thumbnails=thumbnails,
        transcripts=transcripts, labels=labels, warning=warning, facts=facts or {})


def _add_level(envelope: np.ndarray[Any, np.dtype[np.float64]], message: Any,
               start: float) -> None:
    stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
    block = chunk_to_block(message, stamp)
    level = np.abs(to_mono(block.samples))
    times = stamp - start + np.arange(level.size) / block.sample_rate
    bins = np.clip((times * ENVELOPE_BINS_PER_S).astype(int), 0, envelope.size - 1)
    np.maximum.at(envelope, bins, level)


def _thumbnail(image: UInt8) -> bytes:
    height, width = image.shape[:2]
    size = (max(1, round(width * THUMBNAIL_HEIGHT / height)), THUMBNAIL_HEIGHT)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode('.jpg', cv2.cvtColor(small, cv2.COLOR_RGB2BGR),
                           [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()
