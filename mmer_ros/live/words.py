# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Words while people talk: each utterance that ends goes to the speech recogniser, in a thread."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
import threading

from mmer_ros.asr import Speech, SpeechCollector, SpeechRecognizer, transcribe
from mmer_ros.runtime.internal_error import describe_error
from mmer_ros.types import Transcript, UtterancePart

MOST_WAITING = 1  # utterances, beside the one at hand; the words of more would come too late
SLOW = ('words: the speech recogniser does not keep up; the words of an utterance were left out. '
        'Choose a smaller model, e.g. tiny.en')


class WordsThread:
    """
    Recognises the words of utterances as they end.

    :param on_words: takes the words, in the thread.
    :param on_fault: takes a kind and a sentence.
    """

    def __init__(self, recognizer: SpeechRecognizer, on_words: Callable[[Transcript], object],
                 on_fault: Callable[[str, str], object]) -> None:
        self._recognizer = recognizer
        self._on_words = on_words
        self._on_fault = on_fault
        self._collector = SpeechCollector()
        self._queue: SimpleQueue[Speech | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name='words', daemon=True)
        self._thread.start()

    def push(self, part: UtterancePart) -> None:
        """Take a part of an utterance; called by the thread that feeds the pipeline."""
        self._collector.push(part)
        for speech in self._collector.pop():
            if self._queue.qsize() >= MOST_WAITING:
                self._leave_one_out()
            self._queue.put(speech)

    def stop(self) -> None:
        """End after the utterance at hand."""
        self._queue.put(None)
        self._thread.join(timeout=10.0)

    def _leave_one_out(self) -> None:
        try:
            self._queue.get_nowait()
        except Empty:
            return
        self._on_fault('words_slow', SLOW)

    def _work(self) -> None:
        while (speech := self._queue.get()) is not None:
            try:
                words = transcribe(self._recognizer, speech)
            except Exception as error:
                self._on_fault('words', 'words: the speech recogniser has failed on an utterance '
                               f'({describe_error(error)}); it goes on without its words')
                continue
            if words is not None:
                self._on_words(words)
