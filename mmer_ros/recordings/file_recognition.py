# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A media file through the live pipeline: the utterances in it, with words from a transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from os.path import isfile
from pathlib import Path

from mmer_ros.asr import Speech, SpeechCollector, SpeechRecognizer, transcribe
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.clips import utterance_of_clip
from mmer_ros.recordings.media import duration, read_media
from mmer_ros.recordings.media_report import MediaReport
from mmer_ros.recordings.transcripts import (
    is_transcript_file,
    read_transcripts,
    TranscriptFile,
)
from mmer_ros.sensing.audio_front_end import silence_after
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.faces import FaceStream, FrameSampler
from mmer_ros.sensing.spoken_language import is_read
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    FaceCrop,
    InvalidInput,
    StreamEvent,
    Transcript,
    UtterancePart,
    VideoFrame,
)

MAX_LATE_S = 60.0  # the most that SegmenterConfig takes
RECORDINGS = ('.mcap', '.db3', '.bag')
NO_WORDS = TranscriptFile(())


def check_clip(path: Path) -> None:
    """
    Check that there is a file, and that it may be audio or video.

    :raises InvalidInput: if not.
    """
    if path.is_dir() or path.suffix.lower() in RECORDINGS:
        raise InvalidInput(f'{path}: it is a recording or a folder; expected audio or video. '
                           f'For recordings of ROS: mmer replay {path}')
    if not path.is_file():
        raise InvalidInput(f'{path}: there is no such file')


def words_for(transcript: str | Path, clip: Path) -> TranscriptFile:
    """
    Return the words of a clip.

    :param transcript: a file of words, or the words themselves; '' if they are not known.
    :raises InvalidInput: if it names a file that cannot be read.
    """
    given = str(transcript)
    if isinstance(transcript, Path) or is_transcript_file(given) or isfile(given):
        return read_transcripts(Path(given), duration(clip))
    return TranscriptFile((Transcript(0.0, given),)) if given.strip() else NO_WORDS


class Watcher:
    """Is shown what is read and found while a file is recognised; this one ignores it."""

    def add_audio(self, block: AudioBlock) -> None:
        """See a block of audio."""

    def add_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        """See an image and its faces."""

    def add_estimate(self, estimate: Estimate) -> None:
        """See the final estimate of an utterance."""


class FileRecognition:
    """
    Recognise a media file; iterate over the estimates, then look at what was noticed.

    :param path: audio, video or a picture.
    :param words: those with times go to the utterance that they were spoken in; those without
        make the file one utterance.
    :param whole: take the file as one utterance, without segmentation.
    :param audio_track: as in `read_media`.
    :param on_progress: is given the seconds done.
    :param watcher: is shown what is read and found.
    :param speech: recognises the words, where `words` holds none.

    >>> recognition = FileRecognition(Path('clip.mp4'), Recognizer.load())
    >>> [estimate.label for estimate in recognition]
    ['joy', 'neutral']
    >>> recognition.report.problems
    []
    """

    def __init__(self, path: Path, recognizer: Recognizer, *, words: TranscriptFile = NO_WORDS,
                 whole: bool = False, audio_track: int | None = None,
                 on_progress: Callable[[float], object] = lambda seconds: None,
                 watcher: Watcher | None = None,
                 speech: SpeechRecognizer | None = None) -> None:
        self.path = path
        self.report = MediaReport()
        self.events: list[StreamEvent] = []
        self._recognizer = recognizer
        self._words = words
        self._whole = whole or bool(words.text and not words.timed)
        self._track = audio_track
        self._on_progress = on_progress
        self._watcher = watcher or Watcher()
        self._speech = None if words.words else speech
        self._spoken = SpeechCollector()

    def __iter__(self) -> Iterator[Estimate]:
        """
        Yield the final estimate of each utterance.

        :raises InvalidInput: if the file cannot be read.
        """
        for estimate in [self._one()] if self._whole else self._settled():
            self._watcher.add_estimate(estimate)
            yield estimate

    def _settled(self) -> Iterator[Estimate]:
        latest: dict[str, Estimate] = {}  # of utterances that later words may revise
        late_s = self._config().transcript_late_s
        for clock, estimates in self._stream():
            for estimate in estimates:
                latest[estimate.utterance_id] = estimate
            settled = [name for name, estimate in latest.items() if clock > estimate.end + late_s]
            yield from [latest.pop(name) for name in settled]
        yield from latest.values()

    def _items(self, sampler: FrameSampler) -> Iterator[AudioBlock | VideoFrame]:
        done = 0.0
        for item in read_media(self.path, sampler, self.report, audio_track=self._track):
            done = max(done, item.stamp)
            self._on_progress(done)
            if isinstance(item, AudioBlock):
                self._watcher.add_audio(item)
            yield item

    def _one(self) -> Estimate:
        recognizer = self._recognizer
        words = self._words
        if not is_read(words.language, recognizer.config.languages):
            self.events.append(StreamEvent(
                'transcript_language', 0.0, f'transcript: words in {words.language!r}; the bundle '
                f'reads {", ".join(recognizer.config.languages)}; they were left out'))
            words = NO_WORDS
        faces = _WatchedFaces(make_detector(recognizer.config.faces, recognizer.device,
                                            recognizer.sensing_engine),
                              SegmenterConfig().face_search_s)
        faces.watcher = self._watcher
        utterance = utterance_of_clip(self._items(faces.sampler()), faces, text=words.text)
        end = self.report.until_s or duration(self.path)
        if self._speech and utterance.audio is not None:
            heard = transcribe(self._speech, Speech(self.path.stem, end, utterance.audio))
            utterance = replace(utterance, text=heard.text if heard else None)
        return replace(recognizer.recognize(utterance), utterance_id=self.path.stem, end=end,
                       stamp=end, transcript=utterance.text or '')

    def _config(self) -> SegmenterConfig:
        """Let words that are shown for long still reach the utterance that they began in."""
        config = SegmenterConfig()
        longest = max((words.stamp - words.start for words in self._words.words
                       if words.start is not None), default=0.0)
        late_s = min(max(config.transcript_late_s, longest + 1), MAX_LATE_S)
        return config.model_copy(update={'transcript_late_s': late_s})

    def _stream(self) -> Iterator[tuple[float, Sequence[Estimate]]]:
        pipeline = Pipeline(self._recognizer, self._config(), on_faces=self._watcher.add_faces,
                            on_part=self._spoken.push if self._speech else _ignore)
        waiting: list[Transcript] = [words for words in self._words.words if words.text]
        waiting.reverse()
        clock, last = 0.0, None
        for item in self._items(pipeline.sampler()):
            clock = max(clock, item.stamp)
            last = item if isinstance(item, AudioBlock) else last
            while waiting and waiting[-1].stamp <= clock:
                yield clock, pipeline.push_transcript(waiting.pop())
            yield clock, (pipeline.push_audio(item) if isinstance(item, AudioBlock)
                          else pipeline.push_frame(item))
            yield clock, self._transcribed(pipeline)
            self.events += pipeline.drain_events()
        for words in reversed(waiting):
            yield clock, pipeline.push_transcript(words)
        if self._speech and last is not None:  # the words of the end want an utterance that ended
            yield clock, pipeline.push_audio(silence_after(last))
            yield clock, self._transcribed(pipeline)
        yield clock, pipeline.flush()
        self.events += pipeline.drain_events()

    def _transcribed(self, pipeline: Pipeline) -> list[Estimate]:
        """Return the estimates that the words of the utterances revise that have ended."""
        estimates: list[Estimate] = []
        for speech in self._spoken.pop():
            assert self._speech is not None
            words = transcribe(self._speech, speech)
            estimates += pipeline.push_transcript(words) if words else []
        return estimates


def _ignore(part: UtterancePart) -> None:
    pass


class _WatchedFaces(FaceStream):
    watcher: Watcher

    def push(self, frame: VideoFrame) -> list[FaceCrop]:
        crops = super().push(frame)
        self.watcher.add_faces(frame, crops)
        return crops
