# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One recording through the pipeline, as fast as the machine allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
import hashlib
from pathlib import Path
import re
from typing import Any

from mmer_ros import __version__
from mmer_ros.evaluation.labels import fit_to, Label, read_label_file
from mmer_ros.evaluation.utterances import evaluate, spread
from mmer_ros.interfaces.images import MEGA
from mmer_ros.onnx_graphs import use_threads
from mmer_ros.profiling import Clock
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.recording import NANOSECONDS, Recorded, Recording
from mmer_ros.replay.ahead import AheadDetector, detect_ahead, read_ahead
from mmer_ros.replay.arrivals import Arrival, Arrivals
from mmer_ros.replay.bag import BagWriter
from mmer_ros.replay.feed import Feed, Published
from mmer_ros.replay.options import ReplayOptions
from mmer_ros.replay.outputs import Outputs
from mmer_ros.replay.result import ReplayResult, summary_of
from mmer_ros.replay.stages import BINS_PER_DECADE, StageTimes
from mmer_ros.replay.thumbnails import Thumbnails
from mmer_ros.replay.topics import choose_topics
from mmer_ros.replay.tracks import Tracks
from mmer_ros.sensing.clock_offsets import LAG_S, LIMIT_S
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import FaceCrop, InvalidInput, People, StreamEvent, VideoFrame

# Events that mean that a part of the input was not used.
LEFT_OUT = frozenset({'image', 'audio', 'transcript', 'image_backwards', 'audio_backwards',
                      'image_late', 'image_ahead', 'audio_late', 'audio_ahead',
                      'image_frozen', 'audio_frozen', 'audio_invalid', 'transcript_language'})

OnProgress = Callable[[float, float], object]  # seconds of recording done, and in all


def replay_bag(path: str | Path, options: ReplayOptions | None = None, *,
               recognizer: Recognizer | None = None, clock: Clock | None = None,
               on_progress: OnProgress = lambda done, total: None) -> ReplayResult:
    """
    Return the estimates that a node that keeps up would publish; on a CPU equal to the bit.

    :param path: rosbag2 folder or file; a damaged one is used as far as it can be read.
    :param recognizer: already loaded by `load_recognizer` with the same options.
    :param clock: current time of any monotonic clock, seconds, to measure each stage; the
        estimates do not depend on it.
    :raises InvalidInput: if nothing can be done with the recording or the options.
    """
    options = options or ReplayOptions()
    use_threads(options.threads)
    recognizer = recognizer or load_recognizer(options)
    with Recording(Path(path), salvage=True) as recording:
        return _Run(recording, options, recognizer, clock).run(on_progress)


def load_recognizer(options: ReplayOptions) -> Recognizer:
    """
    Load the bundle that the options name.

    :raises InvalidInput: if it cannot be used.
    """
    return Recognizer.load(options.bundle, device=options.device,
                           expected_hash=options.bundle_hash, prior=options.prior,
                           engine=options.engine,
                           adapt_to_voices=options.adapt_to_voices)


class _Run:
    def __init__(self, recording: Recording, options: ReplayOptions, recognizer: Recognizer,
                 clock: Clock | None) -> None:
        self.recording = recording
        self.options = options
        self.recognizer = recognizer
        self.notices = list(options.notices)
        self.faults: list[str] = []
        self.topics = choose_topics(recording, options.topics, options.audio_format)
        self.labels = self._find_labels()  # before the long work, so that errors show at once
        self.stages = StageTimes(clock)
        self.is_timed = clock is not None
        self.tracks = Tracks(options.segmenter.stall_s, recording.end - recording.start)
        self.thumbnails = Thumbnails(options.output if options.report else None, options.faces)
        self.outputs = Outputs(options.output)
        self.events: Counter[str] = Counter()
        self.first_text: dict[str, str] = {}  # kind of event -> text of the first one
        self.rows: list[dict[str, Any]] = []
        self.finals: list[dict[str, Any]] = []
        self.read: Counter[str] = Counter()
        self.bag: BagWriter | None = None
        self.clock_offset = 0.0  # times of recording less stamps, if clocks differ; seconds

    def _find_labels(self) -> tuple[list[Label], int] | None:
        path = self.recording.path
        dialogue = re.search(r'dia(\d+)', path.resolve().stem)
        number = int(dialogue[1]) if dialogue else None
        if self.options.labels is not None:
            labels = read_label_file(self.options.labels, dialogue=number)
            return fit_to(labels, self.recording.start, self.recording.end)
        for name in ('labels.csv', 'labels.json'):
            file = path / name
            if file.is_file():
                try:
                    labels = read_label_file(file, dialogue=number)
                except InvalidInput as error:
                    self.faults.append(str(error))
                    return None
                return fit_to(labels, self.recording.start, self.recording.end)
        return None

    # ------------------------------------------------------------------ the work

    def run(self, on_progress: OnProgress) -> ReplayResult:
        config = self.recognizer.config.faces
        begin = self.stages.clock()
        with ExitStack() as stack:
            detector = detect_ahead(
                make_detector(config, self.recognizer.device, self.recognizer.sensing_engine),
                self.options.detect_ahead, self.options.segmenter.face_search_s,
                self.stages.here)
            stack.callback(detector.close)
            pipeline = Pipeline(
                self.recognizer, self.options.segmenter, faces=FaceStream(detector),
                partial_rate=self.options.partial_rate, stages=self.stages.pipeline,
                on_faces=self._on_faces, people_rate=self.options.people_rate,
                on_people=self._on_people)
            stack.enter_context(self.outputs)
            self.thumbnails.begin()
            if self.options.write_bag and self.options.output is not None:
                self.bag = stack.enter_context(self._new_bag(self.options.output))
            limit_s = max(LIMIT_S, self.options.segmenter.face_wait_s + LAG_S)
            arrivals = Arrivals(self.recording, self.topics, pipeline.sampler(),
                                stamps=self.options.stamps, limit_s=limit_s,
                                max_pixels=round(MEGA * self.options.max_image_megapixels))
            feed = Feed(pipeline, self._event)
            self._feed_all(feed, arrivals, detector, on_progress)
            self._keep(feed.flush(), 0.0, {})
            self.clock_offset = arrivals.clock.apart
            self.notices += arrivals.notices
        if self.clock_offset:
            self.notices.append(f'stamps are {self.clock_offset:.0f} s away from the times of '
                                'recording; the stamps are used')
        return self._result(self.stages.clock() - begin)

    def _new_bag(self, folder: Path) -> BagWriter:
        path = self.recording.path
        name = path.stem if path.is_file() else path.resolve().name
        bag = BagWriter(folder / f'{name}_emotion', self.recording, self.options.emotion_topic,
                        publish_transcript=self.options.publish_transcript)
        if bag.topic != self.options.emotion_topic:
            self.notices.append(f'the recording has {self.options.emotion_topic} already; the '
                                f'estimates of this replay are on {bag.topic}')
        return bag

    def _feed_all(self, feed: Feed, arrivals: Arrivals, detector: AheadDetector,
                  on_progress: OnProgress) -> None:
        start, total = self.recording.start, self.recording.end - self.recording.start
        wanted = None if self.bag else set(self.topics.kinds)
        messages = self.stages.each('reading', self.recording.messages(wanted))
        ahead = self.stages.each(
            'reading and decoding', read_ahead(messages, arrivals, detector))
        for recorded, arrived in ahead:
            is_copied = False
            for arrival in arrived:
                if arrival.kind != 'idle' and not is_copied:
                    self._copy(recorded)
                    is_copied = True
                self._push(feed, arrival)
            on_progress(recorded.time - start, total)
        for arrival in arrivals.flush():
            self._push(feed, arrival)

    def _copy(self, recorded: Recorded) -> None:
        """Count an original message, and copy it to the new recording."""
        if recorded.topic in self.topics.kinds:
            self.read[recorded.topic] += 1
        if self.bag is not None:
            with self.stages.here.measuring('writing the recording'):
                self.bag.copy(recorded)

    def _push(self, feed: Feed, arrival: Arrival) -> None:
        self.tracks.add_arrival(arrival)
        before = self.stages.recognition()
        begin = self.stages.clock()
        published = feed.push(arrival)
        seconds = self.stages.clock() - begin
        self._keep(published, seconds, before)

    def _keep(self, published: list[Published], seconds: float, before: dict[str, float]) -> None:
        for item in published:
            row = item.estimate.to_dict()
            row |= {'published': item.published, 'latency': item.latency}
            self.rows.append(row)
            self.outputs.estimate(row)
            self.thumbnails.add_estimate(row)
            if self.bag is not None:
                self.bag.write(item)
            if self.is_timed and row['final']:
                now = self.stages.recognition()
                self.finals.append({
                    'utterance_id': row['utterance_id'], 'revision': row['revision'],
                    'processing_s': seconds,
                    'stages_s': {name: now[name] - before.get(name, now[name]) for name in now}})

    def _on_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        self.tracks.add_faces(frame.stamp, crops)
        self.outputs.faces(frame.stamp, crops)
        self.thumbnails.add_frame(frame, crops)

    def _on_people(self, people: People) -> None:
        self.outputs.people(people)

    def _event(self, event: StreamEvent, time_ns: int) -> None:
        self.events[event.kind] += 1
        self.first_text.setdefault(event.kind, event.text)
        self.outputs.event(event, time_ns / NANOSECONDS)

    # ------------------------------------------------------------------ the result

    def _result(self, wall_s: float) -> ReplayResult:
        evaluation = None
        if self.labels is not None:
            evaluation = evaluate(self.labels[0], self.rows, self.labels[1])
        if self.bag is not None:
            self.notices += self.bag.notices
        summary = self._summary() | summary_of(self.rows, evaluation)
        result = ReplayResult(
            str(self.recording.path), summary, self.rows,
            {**self.tracks.to_dict(), 'pictures': self.options.faces,
             'thumbnails': self.thumbnails.rows},
            self._how_it_ran(wall_s, summary), evaluation, self.options.output)
        result.save()
        return result

    def _left_out(self) -> list[str]:
        """Return a sentence for each kind of input that was not used."""
        return [f'{count} times: {self.first_text[kind]}' for kind, count in self.events.items()
                if kind in LEFT_OUT or kind[:1].isupper()]  # internal errors are named for classes

    def _summary(self) -> dict[str, Any]:
        recording, config = self.recording, self.recognizer.config
        duration = recording.end - recording.start
        return {
            'bag': str(recording.path), 'mmer_ros': __version__,
            'bundle': {'name': config.name, 'hash': self.recognizer.bundle.content_hash,
                       'trained': config.trained, 'calibrated': config.calibrated,
                       'prior': self.options.prior},
            'start': recording.start, 'end': recording.end, 'duration_s': duration,
            'topics': self.topics.by_kind,
            'messages': {topic: {'type': recording.topics[topic], 'recorded': count,
                                 'read': self.read[topic]}
                         for topic, count in recording.counts.items()},
            'availability': self.tracks.shares(),
            'availability_over_time': self.tracks.over_time(recording.start - self.clock_offset),
            'events': dict(self.events), 'notices': self.topics.notices + self.notices,
            'faults': (recording.faults + self.topics.faults + self.faults + self._left_out())}

    def _how_it_ran(self, wall_s: float, summary: dict[str, Any]) -> dict[str, Any]:
        run: dict[str, Any] = {
            'fingerprint': fingerprint(self.recording.path, self.options, self.recognizer),
            'device': self.recognizer.device, 'engine': self.recognizer.engine,
            'threads': self.options.threads}
        if not self.is_timed:
            return run
        seconds = dict(self.stages.seconds)
        seconds['decoding'] = seconds.pop('reading and decoding', 0) - seconds.get('reading', 0)
        finals = (row for row in self.rows if row['final'])
        late = [row['latency'] + final['processing_s']
                for row, final in zip(finals, self.finals)]
        return run | {
            'wall_s': wall_s, 'times_real_time': summary['duration_s'] / max(wall_s, 1e-9),
            'stages_s': seconds, 'latency_with_processing_s': spread(late),
            'processing_s': spread([final['processing_s'] for final in self.finals]),
            'face_detection_per_image': {'bins_per_decade': BINS_PER_DECADE,
                                         'counts': dict(sorted(self.stages.per_image.items()))},
            'finals': self.finals}


def fingerprint(path: Path, options: ReplayOptions, recognizer: Recognizer) -> str:
    """Return a digest of everything that the results depend on."""
    files = sorted(path.rglob('*')) if path.is_dir() else [path]
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns)
             for file in [*files, *([options.labels] if options.labels else [])]
             if file.is_file()]
    values = asdict(replace(options, output=None, notices=(), detect_ahead=0))
    values['segmenter'] = options.segmenter.model_dump()
    known = (__version__, recognizer.bundle.content_hash, stats, sorted(values.items()))
    return hashlib.sha256(repr(known).encode()).hexdigest()
