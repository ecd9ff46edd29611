# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer recognize`: the emotions of the utterances in audio and video files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from mmer_ros.asr import load_speech_recognizer, SpeechRecognizer
from mmer_ros.cli.asr_options import add_asr_options, given_asr
from mmer_ros.cli.console import escaped, print_events, print_line, progress_in_seconds, to_stdout
from mmer_ros.cli.result_files import (
    COLUMNS,
    result_paths,
    ResultFile,
    Row,
    write_csv,
    write_row,
)
from mmer_ros.cli.result_pages import ResultPages
from mmer_ros.cli.settings_options import add_settings, given_settings
from mmer_ros.onnx_graphs import use_threads
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.file_recognition import check_clip, FileRecognition, words_for
from mmer_ros.recordings.media import duration
from mmer_ros.recordings.transcripts import TranscriptFile
from mmer_ros.replay.thumbnails import BLUR, NONE, SHOW
from mmer_ros.types import InvalidInput, name_of
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

GOOD, NOTHING, BAD, PARTLY = range(4)
EXIT_CODES = ('exit code: 0 good; 1 no utterance was found; 2 nothing could be done; 3 partly: a '
              'file could not be read, or a part of it is missing')
FORMATS = ('table', 'jsonl', 'csv')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer recognize`."""
    parser.epilog = EXIT_CODES
    parser.add_argument('clips', nargs='+', type=Path, metavar='CLIP')
    parser.add_argument('--transcript', default='', metavar='TEXT|FILE', help=(
        'the words of the clip, which is then one utterance; or a file with the times of the '
        'words: .srt, .vtt, .json of Whisper, .tsv or .csv with the columns start, end (seconds) '
        'and text; or a .txt file without times'))
    add_asr_options(parser)
    parser.add_argument('--whole', action='store_true',
                        help='take each clip as one utterance, without segmentation')
    parser.add_argument('--audio-track', type=int, metavar='N', help=(
        'which audio track, 0 for the first (default: the one that the file calls its default)'))
    add_settings(parser)
    parser.add_argument('--format', choices=FORMATS, default='table', help=(
        'what is printed: a table, JSON lines or CSV. The file holds CSV with csv, else JSON '
        'lines (default: %(default)s)'))
    parser.add_argument('--report', action='store_true', help=(
        'also write a page with pictures for each clip (CLIP.emotions.html), and one that leads '
        'to them for several (emotions.html)'))
    parser.add_argument('--blur', action='store_true',
                        help='blur the faces in the pictures of the page')
    parser.add_argument('--no-pictures', action='store_true', help='no pictures on the page')
    parser.add_argument('--overwrite', action='store_true', help=(
        'also replace files in the place of results that another program wrote'))
    parser.add_argument('--output', type=Path, metavar='FILE|DIR', help=(
        'where the results are saved (default: CLIP.emotions.jsonl in the current folder)'))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    for clip in options.clips:
        check_clip(clip)
    asr = given_asr(options)
    if asr and options.transcript:
        raise InvalidInput('--transcribe and --transcript: both give the words; give one of them')
    speech = load_speech_recognizer(asr) if asr else None
    run = _Run(options, _words(options), console, speech)
    given_settings(options)
    use_threads(options.threads)
    return run.run(Recognizer.load(options.bundle, device=options.device, prior=options.prior,
                                   engine=options.engine))


def _words(options: argparse.Namespace) -> TranscriptFile:
    """
    Return what --transcript gives.

    :raises InvalidInput: if it names a file that cannot be read, or whose times are those of
        only one of several clips.
    """
    words = words_for(options.transcript, options.clips[0])
    if words.timed and len(options.clips) > 1:
        raise InvalidInput(f'--transcript {options.transcript}: it has the times of one clip, '
                           f'and there are {len(options.clips)}; recognise them one by one')
    return words


class _Run:
    """All clips, one after the other; one that cannot be read does not stop the others."""

    def __init__(self, options: argparse.Namespace, words: TranscriptFile, console: Console,
                 speech: SpeechRecognizer | None) -> None:
        self._options = options
        self._words = words
        self._speech = speech
        self._console = console
        self._as_csv = options.format == 'csv'
        self._rows: list[Row] = []
        self._shared: ResultFile | None = None
        self._files: list[ResultFile] = []
        self._pages = ResultPages(
            options.clips, options.output, wanted=options.report, overwrite=options.overwrite,
            pictures=NONE if options.no_pictures else BLUR if options.blur else SHOW)
        extension = f'.emotions.{"csv" if self._as_csv else "jsonl"}'
        if options.output is not None and not options.output.is_dir():
            self._shared = ResultFile(options.output, as_csv=self._as_csv,
                                      overwrite=options.overwrite)
            return
        paths = result_paths(options.clips, options.output or Path(), extension)
        self._files = [ResultFile(path, as_csv=self._as_csv, overwrite=options.overwrite)
                       for path in paths]
        for clip, path in zip(options.clips, paths):
            if path.name != f'{clip.stem}{extension}':
                self._note(f'{clip}: another clip has its name; its results go to {path}')

    def run(self, recognizer: Recognizer) -> int:
        """Recognise the clips and return the exit code."""
        if self._as_csv:
            write_csv(sys.stdout, COLUMNS)
        codes = []
        if self._shared is not None:
            with self._shared as file:
                codes = [self._one(clip, file, recognizer) for clip in self._options.clips]
            if self._shared.path.exists():
                print_line(self._console, f'saved to {self._shared.path}')
        for clip, each in zip(self._options.clips, self._files):
            with each as file:
                codes.append(self._one(clip, file, recognizer))
            if codes[-1] != BAD:
                print_line(self._console, f'saved to {each.path}')
        if page := self._pages.finish(recognizer):
            print_line(self._console, f'open {page} in a browser')
        return self._conclude(codes)

    def _one(self, clip: Path, file: ResultFile, recognizer: Recognizer) -> int:
        options = self._options
        watcher = self._pages.watcher()
        try:
            with progress_in_seconds(self._console) as progress:
                task = progress.add_task(clip.name, total=max(duration(clip), 0.1))
                recognition = FileRecognition(
                    clip, recognizer, words=self._words, whole=options.whole,
                    audio_track=options.audio_track, watcher=watcher, speech=self._speech,
                    on_progress=lambda seconds: progress.update(task, completed=seconds))
                for estimate in recognition:
                    self._keep({'clip': str(clip), **estimate.to_dict()}, file)
        except InvalidInput as error:
            print_line(self._console, str(error), 'error:', 'bold red')
            self._pages.leave_out(clip, str(error))
            return BAD
        file.keep()
        self._pages.write(watcher, recognition, recognizer, self._words)
        self._print_notices(clip, recognition)
        return PARTLY if recognition.report.problems else GOOD

    def _keep(self, row: Row, file: ResultFile) -> None:
        self._rows.append(row)
        file.write(row)
        if self._options.format != 'table':
            write_row(sys.stdout, row, as_csv=self._as_csv)
            sys.stdout.flush()

    def _print_notices(self, clip: Path, recognition: FileRecognition) -> None:
        """Print what a user should know of a clip."""
        for notice in recognition.report.notices:
            self._note(f'{clip.name}: {notice}')
        if self._words.sounds:
            self._note(f'transcript: {self._words.sounds} tags for sounds, such as '
                       '[BLANK_AUDIO], are no words; they were left out')
        for problem in recognition.report.problems:
            print_line(self._console, f'{clip.name}: {problem}', 'incomplete:', 'bold yellow')
        print_events(self._console, recognition.events)

    def _note(self, text: str) -> None:
        print_line(self._console, text, 'note:', 'cyan')

    def _conclude(self, codes: Sequence[int]) -> int:
        if self._options.format == 'table' and self._rows:
            _print_table(self._rows, several=len(self._options.clips) > 1)
        if set(codes) == {BAD}:
            return BAD
        if not self._rows:
            self._console.print('no utterance was found: no speech; try --whole')
            return NOTHING
        return PARTLY if {BAD, PARTLY} & set(codes) else GOOD


def _print_table(rows: Sequence[Row], several: bool) -> None:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1))
    for name in (*(['clip'] if several else []), 'from', 'to', 'emotion', 'sure', 'next', 'who',
                 'by', 'words'):
        table.add_column(name, justify='right' if name in ('from', 'to', 'sure') else 'left',
                         no_wrap=name != 'words', overflow='fold')
    for row in rows:
        table.add_row(*(_cells(row, several)))
    to_stdout().print(table)


def _cells(row: Row, several: bool) -> list[str]:
    ranked = sorted(row['probabilities'].items(), key=lambda item: -item[1])
    (best, sure), (second, less) = ranked[:2]
    return [*([escaped(Path(row['clip']).name)] if several else []),
            f'{row["start"]:.2f}', f'{row["end"]:.2f} s', best, f'{100 * sure:.0f} %',
            f'{second} {100 * less:.0f} %',
            escaped(name_of(row['person_id'], row['voice_id'], row['face_id'])),
            ' + '.join(row['modalities']), escaped(row['transcript'])]
