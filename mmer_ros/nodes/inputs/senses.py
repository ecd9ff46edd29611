# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is done with a message of each kind when it comes: stamp it, put it into the inbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from mmer_ros.interfaces.audio import AudioFormat, AudioReader, CodedAudio, duration
from mmer_ros.interfaces.transcripts import to_words
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.inputs.topic_input import Tell
from mmer_ros.runtime.inbox import Item
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.unstamped_audio import UnstampedAudio
from mmer_ros.types import AudioBlock, Transcript

Put = Callable[[Item], None]


class Hearing:
    """
    Take audio of any of the types that audio_messages knows.

    :param given: how raw audio is to be read, until an AudioInfo describes it.
    """

    def __init__(self, stamps: Stamps, put: Put, tell: Tell, given: AudioFormat) -> None:
        """Start without input."""
        self._audio = AudioReader(given)
        self._stamps = stamps
        self._put = put
        self._tell = tell
        self._unstamped = UnstampedAudio()

    def take_info(self, message: Any) -> None:
        """Take a ros-drivers AudioInfo."""
        self._audio.given = AudioFormat.of(message)

    def take(self, message: Any) -> None:
        """Take audio."""
        captured = self._stamps.captured('audio', message)
        try:
            block = self._audio.read(message, captured or 0.0)
        except CodedAudio as error:
            self._tell('audio_coding', str(error))
            return
        length = duration(block)
        if captured is None:
            stamp = self._unstamped.stamp(self._stamps.now(), length)
            self._stamps.saw('audio', stamp + length)
            self._hand_on(block, 0.0, stamp)
            return
        rest = captured - block.stamp  # of the message before, which ended in mid-sample
        self._stamps.place('audio', message, partial(self._hand_on, block, rest), length - rest)

    def _hand_on(self, block: AudioBlock, rest: float, stamp: float) -> None:
        start = stamp - rest
        self._put(Item('audio', start + duration(block), start, replace(block, stamp=start),
                       held=self._stamps.is_releasing))


class Sight:
    """Take images; of those that the sampler does not choose, only the stamps count."""

    def __init__(self, stamps: Stamps, put: Put, sampler: FrameSampler) -> None:
        """Start with nothing seen."""
        self._stamps = stamps
        self._put = put
        self._sampler = sampler

    def take(self, message: Any) -> None:
        """Take an image."""
        if self._stamps.captured('image', message) is None:
            self._hand_on(message, self._stamps.now())
        else:
            self._stamps.place('image', message, partial(self._hand_on, message))

    def _hand_on(self, message: Any, stamp: float) -> None:
        if self._sampler.take(stamp):
            self._put(Item('image', stamp, stamp, message, held=self._stamps.is_releasing))
        else:
            self._put(Item('image_time', stamp, stamp, None))


class Words:
    """
    Take transcripts; hypotheses that a later message replaces are left out.

    :param speaker: who says them, '' if not known.
    :param kind: of the items: transcript, or own_speech for the robot's own words.
    """

    def __init__(self, stamps: Stamps, put: Put, speaker: str = '', *, kind: str = 'transcript'
                 ) -> None:
        """Start with nothing said."""
        self._kind = kind
        self.hypothesis = ''  # of what is being said
        self._stamps = stamps
        self._put = put
        self._speaker = speaker

    def take(self, message: Any) -> None:
        """Take words."""
        words = to_words(message)
        self.hypothesis = '' if words.final else words.text
        if words.final:
            stamp = self._stamps.spoken(message)
            self._put(Item(self._kind, stamp, stamp,
                           Transcript(stamp, words.text, self._speaker, words.language)))


class OwnSpeaking:
    """Take whether the robot speaks."""

    def __init__(self, stamps: Stamps, put: Put) -> None:
        self._stamps = stamps
        self._put = put

    def take(self, message: Any) -> None:
        """Take a std_msgs/Bool."""
        stamp = self._stamps.spoken(message)
        self._put(Item('own_speaking', stamp, stamp, bool(message.data)))
