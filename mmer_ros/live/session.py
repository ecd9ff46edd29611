# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The pipeline behind the page: packets in, messages for the page out; reads no clock itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
import threading
from typing import Any

from mmer_ros.asr import SpeechRecognizer
from mmer_ros.interfaces.images import decode_image
from mmer_ros.live.health import InputHealth, NAMES
from mmer_ros.live.messages import (
    estimate_message,
    event_message,
    faces_message,
    LatestFinals,
    Message,
    Packet,
    people_message,
)
from mmer_ros.live.recording import LiveRecording
from mmer_ros.live.words import WordsThread
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.report.formats import counted
from mmer_ros.runtime.inbox import Inbox, Item
from mmer_ros.runtime.worker import Worker
from mmer_ros.sensing.audio_front_end import silence_after
from mmer_ros.sensing.clock_offsets import seconds_of
from mmer_ros.sensing.input_quality import audio_problem, image_problem
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    FaceCrop,
    InvalidInput,
    People,
    Transcript,
    UtterancePart,
    VideoFrame,
)
import numpy as np

QUEUES = {'audio': 400, 'image': 4, 'image_time': 1000, 'transcript': 100}
UNITS = {'audio': 'block of sound', 'image': 'picture', 'image_time': 'picture',
         'transcript': 'transcript'}
PEOPLE_HZ = 1.0  # of what the faces of listeners show
WORDS_LATE_S = 10.0  # words of a slow recogniser still revise an estimate this old
Send = Callable[[Message], object]


@dataclass(frozen=True)
class SessionOptions:
    """
    How a session works.

    :param partial_rate: Hz, of the estimates during speech.
    :param recordings: folder in which recordings are made when the page asks for one.
    """

    partial_rate: float = 1.0
    recordings: Path = Path()


class Session:
    """
    Receives what the page sends, recognises, and sends what the page shows.

    All methods but `close` are of the thread of the server; `send` is called from several.

    :param clock: current time of any clock that only goes forward, seconds.
    :param send: takes each message for the page.
    :param speech: turns the audio of utterances into words; None: there are no words.
    """

    def __init__(self, recognizer: Recognizer, options: SessionOptions, *, send: Send,
                 clock: Callable[[], float], speech: SpeechRecognizer | None = None) -> None:
        self.health = InputHealth(clock)
        self.received = 0  # packets
        self.recording: LiveRecording | None = None
        self._options = options
        self._send = send
        self._clock = clock
        self._ahead = 0.0  # of the page's clock before ours, seconds
        self._last_audio: AudioBlock | None = None  # since the page has started
        self._finals = LatestFinals()
        self._speaking = False
        self._lock = threading.Lock()
        self._words = WordsThread(speech, self._add_words, self._report) if speech else None
        self._pipeline = Pipeline(
            recognizer, _segmenter(has_words=speech is not None),
            partial_rate=options.partial_rate, on_faces=self._show_faces, on_part=self._on_part,
            people_rate=PEOPLE_HZ, on_people=self._show_people)
        self._sampler = self._pipeline.sampler()
        self._inbox = Inbox(QUEUES)
        self._worker: Worker[Estimate] = Worker(
            self._pipeline, self._inbox, feed=self._feed, now=self.now, publish=self._publish,
            on_fault=lambda kind, text, seconds: self._report(kind, text))
        self._worker.start()

    def now(self) -> float:
        """Return the present by the page's clock, seconds."""
        return self._clock() + self._ahead

    def receive(self, packet: Packet) -> None:
        """Take a packet; what cannot be used is reported to the page."""
        stamp, sent = seconds_of(packet.stamp_ns), seconds_of(packet.sent_ns)
        self.received += 1
        self._ahead = sent - self._clock()
        self._record(lambda recording: recording.add(packet))
        if packet.kind == 'audio':
            samples = np.frombuffer(packet.content, '<i2')
            self._last_audio = AudioBlock(stamp, packet.rate, samples)
            self.health.saw('audio', audio_problem(samples))
            self._enqueue('audio', stamp, sent, self._last_audio)
            return
        self.health.saw('image')
        if self._sampler.take(stamp):
            self._enqueue('image', stamp, sent, packet.content)
        else:
            self._enqueue('image_time', stamp, sent, None)

    def pause(self) -> None:
        """
        Finish the open utterance: the page has stopped, or is gone.

        Silence ends it, as it does in a room, so that its words still find it.
        """
        self.health.pause()
        if self._last_audio is None:
            self._inbox.request(self._pipeline.flush)
            return
        ending = silence_after(self._last_audio)
        self._enqueue('audio', ending.stamp, self.now(), ending)
        self._last_audio = None

    def start(self) -> None:
        """Begin a new stream: what comes does not continue what came."""
        self._inbox.request(self._pipeline.flush)

    def reset(self) -> None:
        """Forget the dialogue so far, as for another person."""
        self._inbox.request(self._forget)

    def record(self, on: bool) -> None:
        """Begin or end a recording, and send the page where it is."""
        with self._lock:
            self._end_recording()
            if on:
                try:
                    self.recording = LiveRecording(self._options.recordings)
                except InvalidInput as error:
                    self._report('recording', str(error))
        self._send(self.recording_message())

    def recording_message(self) -> Message:
        """Return whether a recording is being made, and where."""
        path = self.recording.path if self.recording else None
        return {'type': 'recording', 'on': path is not None, 'path': str(path or '')}

    def kept(self) -> list[Message]:
        """Return the latest final estimates, oldest first, for a page that connects again."""
        return self._finals.messages()

    def report(self) -> Message:
        """Return the state of the inputs; call it once a second."""
        for kind, count in self._inbox.new_drops().items():
            self._report(f'{kind}_dropped', (
                f'{NAMES.get(kind, kind)}: this computer is too slow; '
                f'{counted(count, UNITS[kind])} left out. Close other programs'))
        return {'type': 'health', 'waiting': sum(self._inbox.waiting().values()),
                'recorded': self.recording.messages if self.recording else 0,
                **self.health.report()}

    def close(self) -> None:
        """Finish the open utterance and the recording, and stop the threads."""
        self._worker.stop(finish=True)
        if self._words:
            self._words.stop()
        with self._lock:
            self._end_recording()

    # ------------------------------------------------------------ in the thread of the worker

    def _enqueue(self, kind: str, stamp: float, arrival: float, content: Any) -> None:
        self._inbox.enqueue(Item(kind, stamp, stamp, content, arrival=arrival))

    def _feed(self, items: Sequence[Item]) -> list[Estimate]:
        estimates = [estimate for item in items for estimate in self._take(item)]
        if self._pipeline.speaking != self._speaking:
            self._speaking = self._pipeline.speaking
            self._send({'type': 'speaking', 'on': self._speaking, 'stamp': items[-1].stamp})
        return estimates

    def _take(self, item: Item) -> list[Estimate]:
        if item.kind == 'audio':
            return self._pipeline.push_audio(item.message, item.arrival)
        if item.kind == 'transcript':
            return self._pipeline.push_transcript(item.message, item.arrival)
        if item.kind == 'image_time':
            return self._pipeline.skip_frame(item.stamp, item.arrival)
        image = decode_image(item.message)
        self.health.judge('image', image_problem(image))
        return self._pipeline.push_frame(VideoFrame(item.stamp, image), item.arrival)

    def _forget(self) -> list[Estimate]:
        self._pipeline.reset_history()
        return []

    def _publish(self, estimate: Estimate) -> None:
        message = estimate_message(estimate)
        self._finals.add(message)
        self._send(message)

    def _show_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        height, width = frame.image.shape[:2]
        speaker = self._pipeline.speaker if self._pipeline.speaking else ''
        self._send(faces_message(frame.stamp, (width, height), crops, speaker))

    def _show_people(self, people: People) -> None:
        self._send(people_message(people))

    def _on_part(self, part: UtterancePart) -> None:
        if self._words:
            self._words.push(part)

    # ------------------------------------------------------------------- from several threads

    def _add_words(self, words: Transcript) -> None:
        arrival = self.now()
        self._record(lambda recording: recording.add_words(words, arrival))
        self._send({'type': 'words', 'stamp': words.stamp, 'text': words.text})
        self._enqueue('transcript', words.stamp, arrival, words)

    def _report(self, kind: str, text: str) -> None:
        self._send(event_message(kind, text))

    def _record(self, write: Callable[[LiveRecording], None]) -> None:
        with self._lock:
            if self.recording is None:
                return
            try:
                write(self.recording)
                return
            except InvalidInput as error:
                self._report('recording', str(error))
                self.recording = None
        self._send(self.recording_message())

    def _end_recording(self) -> None:
        if self.recording is not None:
            try:
                self.recording.close()
            except InvalidInput as error:
                self._report('recording', str(error))
        self.recording = None


def _segmenter(*, has_words: bool) -> SegmenterConfig:
    config = SegmenterConfig()
    return config.model_copy(update={'transcript_late_s': WORDS_LATE_S}) if has_words else config
