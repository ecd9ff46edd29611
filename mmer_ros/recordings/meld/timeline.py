# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The time line of a dialogue: clips and the pauses between them, as messages come.

In a pause the room goes on: its noise, not digital silence, which no microphone gives and beside
which any noise sounds like an onset. The camera goes on, too: it holds the last image, and in the
middle of the pause turns to what comes next, so that the pre-roll of an utterance shows its
speaker. Black images would end all face tracks; without images the segmenter would wait for them.
"""

from __future__ import annotations

import math

from mmer_ros.recordings.meld.clip import ClipMedia, cross_fade, RoomNoise
from mmer_ros.recordings.meld.settings import (
    BagSettings,
    CHUNK,
    EPOCH_NS,
    SAMPLE_NS,
    WORDS_AFTER_S,
)
from mmer_ros.recordings.sensor_bag import AUDIO_TOPIC, IMAGE_TOPIC, Message, TEXT_TOPIC
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np

Image = tuple[float, bytes]  # seconds, JPEG


class TimeLine:
    """Put clips one after the other; times are whole chunks of audio from EPOCH_NS on."""

    def __init__(self, settings: BagSettings, seed: int) -> None:
        self._settings = settings
        self._random = np.random.default_rng(seed)
        self._samples = 0  # so far
        self._words: list[tuple[int, str]] = []
        self._image: bytes | None = None
        self._room: RoomNoise | None = None

    @property
    def now_ns(self) -> int:
        """Capture time that is reached."""
        return EPOCH_NS + self._samples * SAMPLE_NS

    def clip(self, media: ClipMedia, text: str) -> list[Message]:
        """
        Return the messages of a clip, which begins now.

        :param text: its words, which come when it is over; '' for none.
        """
        room = RoomNoise(media.sound)
        count = math.ceil(media.seconds * SAMPLE_RATE / CHUNK) * CHUNK
        sound = cross_fade(room, room, count, self._random)
        if media.sound is not None:
            first = round(media.sound_at * SAMPLE_RATE)
            sound[first:first + media.sound.size] = media.sound[:count - first]
        if text:
            self._words.append((
                self.now_ns + round((media.seconds + WORDS_AFTER_S) * 1e9), text))
        self._room = room
        return self._segment(sound, self._held(media.images, count / SAMPLE_RATE))

    def pause(self, before_clip: ClipMedia | None = None) -> list[Message]:
        """Return a pause; it ends with the first image and the noise of what follows."""
        count = math.ceil(self._settings.gap_s * SAMPLE_RATE / CHUNK) * CHUNK
        following, after = None, self._room or RoomNoise(None)
        if before_clip is not None:
            following = before_clip.images[0][1] if before_clip.images else None
            after = RoomNoise(before_clip.sound)
        sound = cross_fade(self._room or after, after, count, self._random)
        before, turn = self._image or following, count / SAMPLE_RATE / 2
        following = following or before
        images = [(t, shown) for t in self._grid(0.0, count / SAMPLE_RATE)
                  if (shown := before if t < turn else following) is not None]
        return self._segment(sound, images)

    def _grid(self, start: float, end: float) -> list[float]:
        fps = self._settings.fps
        return [start + i / fps for i in range(math.ceil((end - start) * fps - 1e-6))]

    def _held(self, images: tuple[Image, ...], seconds: float) -> list[Image]:
        """Hold the last image until the end; without any, the one from before."""
        if not images:
            return [(t, self._image) for t in self._grid(0.0, seconds) if self._image is not None]
        last, data = images[-1]
        step = 1 / self._settings.fps
        return [*images, *((t, data) for t in self._grid(last + step, seconds))]

    def _segment(self, sound: Int16, images: list[Image]) -> list[Message]:
        begin, messages = self.now_ns, []
        for first in range(0, sound.size, CHUNK):
            stamp = begin + first * SAMPLE_NS
            messages.append(Message(stamp + CHUNK * SAMPLE_NS, stamp, AUDIO_TOPIC,
                                    sound[first:first + CHUNK]))
        for seconds, data in images:
            stamp = begin + round(seconds * 1e9)
            messages.append(Message(stamp, stamp, IMAGE_TOPIC, data))
        self._samples += sound.size
        self._image = images[-1][1] if images else self._image
        messages += [Message(at, at, TEXT_TOPIC, text) for at, text in self._words
                     if at < self.now_ns]
        self._words = [(at, text) for at, text in self._words if at >= self.now_ns]
        return sorted(messages, key=lambda message: message.arrived_ns)
