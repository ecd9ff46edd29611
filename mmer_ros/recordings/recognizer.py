# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The recogniser that users import: utterances, and whole files as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload, TYPE_CHECKING

from mmer_ros.asr import AsrOptions, load_speech_recognizer
from mmer_ros.recognition import recognizer
from mmer_ros.recordings.file_recognition import check_clip, FileRecognition, words_for
from mmer_ros.recordings.tables import plain_cells, table_columns
from mmer_ros.types import Estimate, StreamEvent

if TYPE_CHECKING:
    from pandas import DataFrame

NO_PANDAS = ('to_dataframe: it needs pandas, which is not installed; pip install pandas, or use '
             'the estimates themselves: [estimate.to_dict() for estimate in result]')


@dataclass(frozen=True)
class FileResult(Sequence[Estimate]):
    """
    What was recognised in a file: a sequence of estimates, one for each utterance, by time.

    >>> result = Recognizer.load().recognize_file('clip.mp4')
    >>> [estimate.label for estimate in result]
    ['neutral', 'joy']

    :param path: of the file.
    :param estimates: their times are seconds from the start of the file.
    :param notices: choices that a user should know, a sentence each.
    :param problems: what is missing of the file, e.g. damaged packets, a sentence each.
    :param events: warnings about the input.
    """

    path: Path
    estimates: tuple[Estimate, ...] = ()
    notices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    events: tuple[StreamEvent, ...] = ()

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.estimates)

    def __iter__(self) -> Iterator[Estimate]:
        """Iterate over the estimates."""
        return iter(self.estimates)

    @overload
    def __getitem__(self, index: int) -> Estimate: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Estimate, ...]: ...

    def __getitem__(self, index: int | slice) -> Estimate | tuple[Estimate, ...]:
        """Return an estimate, or several as a tuple."""
        return self.estimates[index]

    def to_dataframe(self) -> DataFrame:
        """
        Return a table with a row for each utterance and the columns of `mmer recognize`'s CSV.

        :raises ImportError: if pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ImportError(NO_PANDAS) from error
        return DataFrame([(str(self.path), *plain_cells(estimate.to_dict()))
                          for estimate in self.estimates], columns=['clip', *table_columns()])


class Recognizer(recognizer.Recognizer):
    """
    Estimates emotions with a bundle: of utterances, and of whole files.

    >>> from mmer_ros import Recognizer, Utterance
    >>> recognizer = Recognizer.load()
    >>> recognizer.recognize(Utterance(text='What a day! I got the job!')).label
    'joy'
    >>> [estimate.label for estimate in recognizer.recognize_file('clip.mp4')]
    ['neutral', 'joy']

    Arguments and errors are those of mmer_ros.recognition.recognizer.Recognizer, which knows no
    files.
    """

    def recognize_file(self, path: str | Path, *, transcript: str | Path = '',
                       transcribe: str = '', whole: bool = False,
                       audio_track: int | None = None,
                       on_progress: Callable[[float], object] = lambda seconds: None
                       ) -> FileResult:
        """
        Estimate the emotions of the utterances in a file, as `mmer recognize` does.

        :param path: audio, video or a picture. It is cut into utterances by voice activity.
        :param transcript: the words, which make the file one utterance; or a file of words, with
            or without times: .srt, .vtt, .json of Whisper, .tsv, .csv or .txt.
        :param transcribe: recognise the words with this Whisper model, a folder or the name of
            one that is on this computer (the extra asr); '': only those that `transcript` gives.
        :param whole: take the file as one utterance.
        :param audio_track: 0 for the first; None: the one that the file calls its default.
        :param on_progress: is called with the seconds of the file that are done.
        :raises InvalidInput: if the file or the transcript cannot be read.
        """
        clip = Path(path)
        check_clip(clip)
        recognition = FileRecognition(
            clip, self, words=words_for(transcript, clip), whole=whole, audio_track=audio_track,
            on_progress=on_progress,
            speech=load_speech_recognizer(AsrOptions(transcribe)) if transcribe else None)
        estimates = sorted(recognition, key=lambda estimate: estimate.start)
        return FileResult(clip, tuple(estimates), tuple(recognition.report.notices),
                          tuple(recognition.report.problems), tuple(recognition.events))
