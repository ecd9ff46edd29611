# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The pages of `mmer recognize --report`: one of each clip, and an overview of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.cli.result_files import result_paths
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.file_recognition import FileRecognition, Watcher
from mmer_ros.recordings.transcripts import TranscriptFile
from mmer_ros.replay.thumbnails import SHOW
from mmer_ros.report.clip_page import ClipPage, ClipRecorder, write_clips_overview
from mmer_ros.types import InvalidInput

EXTENSION = '.emotions.html'
OVERVIEW = 'emotions.html'
MARK = b'<meta name="generator" content="mmer_ros">'
MAX_HEAD = 1024  # bytes that are read to see what a file is


class ResultPages:
    """
    The pages of a run of `mmer recognize`.

    :param wanted: False: none are written.
    :param pictures: show, blur, or none for no pictures at all.
    :param output, overwrite: as of `page_paths`, which may raise InvalidInput.
    """

    def __init__(self, clips: Sequence[Path], output: Path | None, *, wanted: bool,
                 pictures: str = SHOW, overwrite: bool = False) -> None:
        self._paths, self._overview = page_paths(
            clips, output, overwrite=overwrite) if wanted else ([], None)
        self._pictures = pictures
        self._done: list[ClipPage] = []

    def watcher(self) -> Watcher:
        """Return what collects the page of the next clip."""
        return ClipRecorder(self._pictures) if self._paths else Watcher()

    def write(self, watcher: Watcher, recognition: FileRecognition, recognizer: Recognizer,
              words: TranscriptFile) -> None:
        """Write the page of a clip that was recognised, if pages are wanted."""
        if isinstance(watcher, ClipRecorder):
            path = self._paths[len(self._done)]
            self._done.append(watcher.write(path, recognition, recognizer, words))

    def leave_out(self, clip: Path, reason: str) -> None:
        """Note in the overview that a clip could not be read."""
        without_folders = reason.replace(str(clip), clip.name)
        self._done.append(ClipPage(clip.name, problems=[without_folders]))

    def finish(self, recognizer: Recognizer) -> Path | None:
        """Write the overview of several clips; return the page to open first."""
        written = [path for path, page in zip(self._paths, self._done) if page.link]
        if self._overview is None or not written:
            return written[0] if written else None
        write_clips_overview(self._overview, self._done, recognizer)
        return self._overview


def page_paths(clips: Sequence[Path], output: Path | None, *, overwrite: bool = False
               ) -> tuple[list[Path], Path | None]:
    """
    Return the path of the page of each clip, and of the overview of several.

    :param output: folder or file of the results; the pages are beside it.
    :param overwrite: replace files that are no pages of ours as well.
    :raises InvalidInput: if a page would replace something else.
    """
    folder = output if output is not None and output.is_dir() else (output or Path('x')).parent
    pages, overview = result_paths(clips, folder, EXTENSION), None
    if output is not None and output != folder:
        if output.suffix.lower() == '.html':
            raise InvalidInput(f'--output {output}: it is the name of a page; with --report give '
                               'the file of the results another name, e.g. '
                               f'{output.with_suffix(".jsonl")}')
        named = output.with_suffix('.html')
    else:
        named = folder / OVERVIEW if len(clips) > 1 else pages[0]
    if len(clips) > 1:
        overview = named if named not in pages else named.with_name(f'overview-{named.name}')
    else:
        pages = [named]
    for path in (*pages, *filter(None, [overview])):
        if path.exists() and not (path.is_file() and (overwrite or is_page(path))):
            raise InvalidInput(f'{path}: it is there and is no page of mmer recognize; it is left '
                               'as it is. Give another --output, or --overwrite')
    return pages, overview


def is_page(path: Path) -> bool:
    """Return whether a file is a page of this package."""
    try:
        with path.open('rb') as file:
            return MARK in file.read(MAX_HEAD)
    except OSError:
        return False
