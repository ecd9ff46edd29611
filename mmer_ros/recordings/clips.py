# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A whole clip as one utterance, through the same audio and face code as the robot's streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from mmer_ros.recordings.media_report import JITTER_S
from mmer_ros.sensing.active_speaker import ActiveSpeaker, SpeakerConfig
from mmer_ros.sensing.audio_front_end import resample, silence
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.sensing.vad import FRAME_SAMPLES, SpeechProbability
from mmer_ros.types import (
    AudioBlock,
    FaceCrop,
    Int16,
    SAMPLE_RATE,
    Transcript,
    Utterance,
    VideoFrame,
)
import numpy as np

MAX_GAP_S = 600.0  # a longer gap is a mistake in the stamps


def utterance_of_clip(items: Iterable[AudioBlock | VideoFrame], faces: FaceStream, *,
                      text: str = '') -> Utterance:
    """
    Take all of a clip as one utterance; recognition of files and training share this.

    :param items: what `read_media(path, faces.sampler())` gives.
    :param faces: new for each clip. The speaker is chosen as on the robot, from the whole clip.
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
    audio = resampled(blocks)
    speaker = speaker_of(crops, audio, blocks[0].stamp if blocks else 0.0)
    chosen = [crop.image for crop in crops if crop.face_id == speaker]
    return Utterance(
        text=Transcript(0.0, text).text or None,
        audio=audio,
        faces=np.stack(chosen) if chosen else None)


def speaker_of(crops: Sequence[FaceCrop], audio: Int16 | None, start: float) -> str:
    """
    Return the id of the face that speaks in a clip; '' without faces.

    :param audio: (samples,) int16, 16 kHz, or None.
    :param start: capture time of its first sample, seconds.
    """
    if audio is None or len({crop.face_id for crop in crops}) < 2:
        return ActiveSpeaker(SpeakerConfig()).choose(crops, 0.0, 0.0, heard=False).face_id
    speaker = ActiveSpeaker(SpeakerConfig())
    probability = SpeechProbability()
    probability.reset()
    for end in range(FRAME_SAMPLES, len(audio) + 1, FRAME_SAMPLES):
        speaker.hear(start + end / SAMPLE_RATE, probability(audio[end - FRAME_SAMPLES:end]))
    speaker.see(crops)
    return speaker.choose(crops, crops[0].stamp, crops[-1].stamp + 1.0).face_id


def resampled(blocks: Iterable[AudioBlock]) -> Int16 | None:
    """
    Return blocks as 16 kHz mono (n,) int16; None if there are none.

    Gaps between their stamps become silence, so that what follows stays in time.
    """
    runs = [resample(np.concatenate([block.samples for block in run]), rate)
            for (rate, *_), run in groupby(_without_gaps(blocks), _format)]
    audio = np.concatenate(runs) if runs else np.zeros(0, np.int16)
    return audio if audio.size else None


def _without_gaps(blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
    until: float | None = None
    for block in blocks:
        gap = 0.0 if until is None else block.stamp - until
        if JITTER_S < gap <= MAX_GAP_S:
            missing = silence(block.samples, round(gap * block.sample_rate))
            yield AudioBlock(block.stamp - gap, block.sample_rate, missing)
        yield block
        until = block.stamp + len(block.samples) / block.sample_rate


def _format(block: AudioBlock) -> tuple[int, tuple[int, ...], Any]:
    return block.sample_rate, block.samples.shape[1:], block.samples.dtype
