"""A whole clip as one utterance, through the same audio and face code as the robot's streams."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from mmer_ros.audio import resample
from mmer_ros.faces import FaceStream
from mmer_ros.segmenter import largest_face
from mmer_ros.types import AudioBlock, FaceCrop, Int16, Transcript, Utterance, VideoFrame
import numpy as np


def utterance_of_clip(items: Iterable[AudioBlock | VideoFrame], faces: FaceStream, *,
                      text: str = '') -> Utterance:
    """
    Take all of a clip as one utterance; recognition of files and training share this.

    :param items: what `read_media(path, faces.sampler())` gives.
    :param faces: new for each clip. The speaker is the face that covers the largest area.
    :param text: words of the clip.
    :return: 16 kHz mono int16 audio and all crops of the speaker by time; None for what the
        clip does not have.
    """
    crops: list[FaceCrop] = []
    blocks: list[AudioBlock] = []
    for item in items:
        if isinstance(item, VideoFrame):
            crops += faces.push(item)
        else:
            blocks.append(item)
    speaker = largest_face(crops)
    chosen = [crop.image for crop in crops if crop.face_id == speaker]
    return Utterance(
        text=Transcript(0.0, text).text or None,
        audio=resampled(blocks),
        faces=np.stack(chosen) if chosen else None)


def resampled(blocks: Iterable[AudioBlock]) -> Int16 | None:
    """Return blocks that follow each other as 16 kHz mono (n,) int16; None if there are none."""
    runs = [resample(np.concatenate([block.samples for block in run]), rate)
            for (rate, *_), run in groupby(blocks, _format)]
    audio = np.concatenate(runs) if runs else np.zeros(0, np.int16)
    return audio if audio.size else None


def _format(block: AudioBlock) -> tuple[int, tuple[int, ...], Any]:
    return block.sample_rate, block.samples.shape[1:], block.samples.dtype
