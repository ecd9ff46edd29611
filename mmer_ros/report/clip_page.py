# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The page of a media file that was recognised, and an overview of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmer_ros.recognition.recognizer import Recognizer, UNTRAINED
from mmer_ros.recordings.file_recognition import FileRecognition, Watcher
from mmer_ros.recordings.transcripts import TranscriptFile
from mmer_ros.replay.outputs import replace_text
from mmer_ros.replay.pictures import Levels
from mmer_ros.replay.thumbnails import NONE, SHOW, Snapshots
from mmer_ros.replay.tracks import Intervals
from mmer_ros.report.answer import Answer, overall
from mmer_ros.report.formats import counted, duration
from mmer_ros.report.page import render
from mmer_ros.report.replay_page import MAX_PICTURES, PRIVATE
from mmer_ros.report.timeline import Timeline
from mmer_ros.types import AudioBlock, Estimate, FaceCrop, VideoFrame

GAP_S = 1.0  # an input without anything for this long is absent
KEEP = 600  # images; an estimate may come a minute after its utterance, if words may be late
LIMIT_S = 86_400.0  # of the audio that is drawn
FOOTER = ('Times are seconds from the start of the file. Keys: + and − zoom, ← → move, '
          'n and p go from utterance to utterance.')


@dataclass(frozen=True)
class ClipPage:
    """
    A clip in the overview.

    :param link: to its page, '' if it has none since it could not be read.
    :param emotions: number of utterances by their most probable emotion.
    :param problems: what is missing of it, or why it could not be read.
    """

    name: str
    link: str = ''
    seconds: float = 0.0
    emotions: Mapping[str, int] = field(default_factory=dict)
    problems: Sequence[str] = ()


class ClipRecorder(Watcher):
    """
    What the page of a clip shows, collected while the clip is recognised.

    :param pictures: show, blur, or none for no pictures at all.
    """

    def __init__(self, pictures: str = SHOW) -> None:
        self._snapshots = Snapshots(pictures, KEEP)
        self._pictures = pictures
        self._chosen: list[tuple[float, bytes]] = []
        self._rows: list[dict[str, Any]] = []
        self._levels = Levels(LIMIT_S)
        self._inputs = {kind: Intervals(GAP_S) for kind in ('image', 'audio', 'face')}
        self._faces: dict[str, Intervals] = {}
        self._persons: dict[str, str] = {}  # by face

    def add_audio(self, block: AudioBlock) -> None:
        """Add a block of audio."""
        end = block.stamp + len(block.samples) / block.sample_rate
        self._inputs['audio'].add(block.stamp, end)
        self._levels.add(block)

    def add_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        """Add an image and its faces."""
        self._inputs['image'].add(frame.stamp, frame.stamp)
        if crops:
            self._inputs['face'].add(frame.stamp, frame.stamp)
        for crop in crops:
            self._faces.setdefault(crop.face_id, Intervals(GAP_S)).add(frame.stamp, frame.stamp)
            if crop.person_id:
                self._persons[crop.face_id] = crop.person_id
        self._snapshots.add_frame(frame, crops)

    def add_estimate(self, estimate: Estimate) -> None:
        """Add the final estimate of an utterance."""
        row = estimate.to_dict()
        self._rows.append(row)
        if chosen := self._snapshots.choose(row):
            self._chosen.append(chosen)

    def write(self, path: Path, recognition: FileRecognition, recognizer: Recognizer,
              words: TranscriptFile) -> ClipPage:
        """Write the page, self-contained HTML, and return its place in an overview."""
        replace_text(path, self.render(recognition, recognizer, words))
        return ClipPage(
            recognition.path.name, quote(path.name), self._end(recognition),
            Counter(row['label'] for row in self._rows), recognition.report.problems)

    def render(self, recognition: FileRecognition, recognizer: Recognizer,
               words: TranscriptFile) -> str:
        """Return the page when the recognition is over."""
        timeline = self._timeline(recognition, words)
        bundle = recognizer.config
        spoken = sum(end - start for start, end in timeline.speech)
        report = recognition.report
        return render(
            'clip.html', recognition.path.name,
            [duration(timeline.end), counted(len(timeline.utterances), 'utterance'),
             f'{duration(spoken)} of speech'],
            footer=FOOTER, timeline=timeline, answer=Answer(timeline), problems=report.problems,
            warning='' if bundle.trained else UNTRAINED.format(name=bundle.name),
            origin={'Bundle': f'{bundle.name} {recognizer.bundle.content_hash[:8]}',
                    'Device': recognizer.device,
                    'Words': 'given' if words.text else 'none were given'},
            remarks=[*report.notices, PRIVATE[self._pictures if self._chosen else NONE]])

    def _end(self, recognition: FileRecognition) -> float:
        ends = [float(row['end']) for row in self._rows]
        return max([recognition.report.until_s, *ends])

    def _timeline(self, recognition: FileRecognition, words: TranscriptFile) -> Timeline:
        end = self._end(recognition)
        every = -(-len(self._chosen) // MAX_PICTURES) or 1
        return Timeline(
            start=0.0, end=end, estimates=self._rows,
            envelope=self._levels.between(0.0, end) if self._levels.peaks else (),
            speech=[(row['start'], row['end']) for row in self._rows],
            thumbnails=self._chosen[::every],
            transcripts=[(each.start or 0.0, each.text) for each in words.words if each.text],
            faces={name: _spans(track) for name, track in self._faces.items()},
            persons=self._persons,
            inputs={kind: _spans(track) for kind, track in self._inputs.items()},
            events=[asdict(event) for event in recognition.events])


def _spans(track: Intervals) -> list[tuple[float, float]]:
    return [(first, last) for first, last in track.spans]


def write_clips_overview(path: Path, pages: Sequence[ClipPage], recognizer: Recognizer) -> None:
    """Write one page for several clips, with links to the page of each."""
    bundle = recognizer.config
    emotions = sum((Counter(page.emotions) for page in pages), Counter[str]())
    seconds = sum(page.seconds for page in pages)
    replace_text(path, render(
        'clips.html', 'Emotions in clips',
        [counted(len(pages), 'clip'), duration(seconds), f'bundle {bundle.name}'],
        pages=pages, emotions=emotions,
        sentence=overall(emotions, f'{counted(len(pages), "clip")} ({duration(seconds)})'),
        warning='' if bundle.trained else UNTRAINED.format(name=bundle.name),
        failed=[problem for page in pages if not page.link for problem in page.problems]))
