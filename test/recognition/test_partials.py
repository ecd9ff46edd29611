# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Estimates while speech goes on, other bundles in mid-stream, jumps of time; without ROS."""

from __future__ import annotations

from collections import Counter
from itertools import count

from mmer_ros.profiling import AUDIO, FUSION, Stages, TEXT, VOICE_ACTIVITY
from mmer_ros.recognition.dialogue_stream import DialogueStream, REVISABLE
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.face_tracker import FaceTracker
from mmer_ros.types import Estimate, Transcript, UtterancePart, VideoFrame
import numpy as np
import pytest

from ..fixtures.model import tiny_bundle, tiny_recognizer
from ..fixtures.stream import (
    arriving,
    BASE,
    blocks,
    Event,
    in_order,
    Loudness,
    run_pipeline,
    sample_events,
    track,
)

SPEECH = [(1.0, 4.6), (6.0, 8.2)]  # seconds


def dialogue(start: float = BASE, *, words: bool = True) -> list[Event]:
    """Two utterances of 3.6 and 2.2 s; each is followed by its words."""
    sound = arriving(blocks(track(10.0, SPEECH), start))
    said = [Event(start + end + 0.1, Transcript(start + end + 0.1, text))
            for (_, end), text in zip(SPEECH, ('how was I to know', 'so it goes'))]
    return in_order(sound, said if words else [])


def pipeline(**options: object) -> Pipeline:
    return Pipeline(tiny_recognizer(), probability=Loudness(), **options)


def finals(estimates: list[Estimate]) -> list[dict]:
    return [e.to_dict() | {'logits': e.logits.tolist()} for e in estimates if e.final]


def test_partials_of_the_sample_change_no_bit_of_its_finals() -> None:
    recognizer = Recognizer.load('compact')
    events = [e for e in sample_events() if e.arrival < BASE + 7.5]
    images = [e for e in events if isinstance(e.item, VideoFrame)]
    events = [e for e in events if e not in images[6:]]  # looking for faces takes the time
    without = run_pipeline(Pipeline(recognizer), events)
    among = run_pipeline(Pipeline(recognizer, partial_rate=4.0), events)
    assert all(e.final for e in without) and len(without) == 2
    assert finals(among) == finals(without)
    assert sum(not e.final for e in among) >= 12


@pytest.mark.parametrize('rate', [0.5, 1.0, 3.0])
def test_partials_come_at_their_rate_of_capture_time(rate: float) -> None:
    estimates = run_pipeline(pipeline(partial_rate=rate), dialogue())
    for final in (e for e in estimates if e.final):
        partials = [e for e in estimates
                    if e.utterance_id == final.utterance_id
                    and not e.final and not e.provisional]
        ends = np.array([e.end - e.start for e in partials])
        due = np.arange(1, 1 + len(ends)) / rate
        periods = int((final.end - final.start) * rate)
        assert len(ends) in (periods, periods - 1)  # the last part is the final estimate
        assert (ends >= due - 1e-6).all()
        assert (ends < due + 0.128 + 1e-6).all()  # the length of a part
        assert all(e.start == final.start and e.revision == 0 for e in partials)


@pytest.mark.slow
def test_partials_do_not_depend_on_the_sizes_of_messages() -> None:
    def partials(size: int) -> list[dict]:
        sound = arriving(blocks(track(10.0, SPEECH), BASE, size))
        found = run_pipeline(pipeline(partial_rate=2.0), sound)
        return [e.to_dict() for e in found if not e.final and not e.provisional]
    assert len(partials(1600)) == 11
    assert partials(320) == partials(1600) == partials(7777)


def test_the_rate_can_be_changed_in_mid_stream() -> None:
    found = pipeline()
    events = dialogue()
    estimates: list[Estimate] = []
    for event in events:
        found.partial_rate = 2.0 if event.arrival > BASE + 5 else 0.0
        item = event.item
        estimates += (found.push_transcript(item) if isinstance(item, Transcript)
                      else found.push_audio(item))
    first, second = (e.utterance_id for e in estimates if e.final)
    assert Counter(e.utterance_id for e in estimates
                   if not e.final and not e.provisional) == {second: 4}
    assert first != second


@pytest.mark.slow
def test_another_bundle_begins_with_the_next_utterance_and_knows_the_dialogue() -> None:
    """Whoever began an utterance finishes it, its late words included."""
    old, new = Recognizer(tiny_bundle(1)), Recognizer(tiny_bundle(2))
    changed = Pipeline(old, probability=Loudness(), partial_rate=1.0)
    only_new = run_pipeline(Pipeline(new, probability=Loudness()), dialogue())
    only_old = run_pipeline(Pipeline(old, probability=Loudness()), dialogue())
    estimates: list[Estimate] = []
    for event in dialogue():
        if 2.0 < event.arrival - BASE < 2.1:  # in mid-speech
            changed.change_recognizer(new)
        item = event.item
        estimates += (changed.push_transcript(item) if isinstance(item, Transcript)
                      else changed.push_audio(item))
    estimates += changed.flush()
    assert finals(estimates) == finals([only_old[0], only_new[1]])
    hashes = [e.bundle_hash for e in estimates]
    assert hashes == sorted(hashes, key=[old.bundle.content_hash,
                                         new.bundle.content_hash].index)
    assert set(hashes) == {old.bundle.content_hash, new.bundle.content_hash}


@pytest.mark.slow
def test_a_loop_of_a_recording_begins_a_new_dialogue() -> None:
    """The stamps alone tell it: nothing said in the first round is history in the second."""
    found = pipeline()
    both = run_pipeline(found, dialogue() + dialogue())
    assert len(both) == 4
    assert finals(both[:2]) == finals(both[2:])
    assert {e.kind for e in found.drain_events()} == {'audio_backwards'}


@pytest.mark.slow
def test_a_rewind_closes_what_is_open_and_forgets_the_dialogue() -> None:
    found = pipeline()
    expected = run_pipeline(pipeline(), dialogue())
    cut = [e for e in dialogue() if e.arrival < BASE + 7.5]
    first: list[Estimate] = []
    for event in cut:
        item = event.item
        first += (found.push_transcript(item) if isinstance(item, Transcript)
                  else found.push_audio(item))
    rest = found.rewind(BASE)
    assert len(first) == 1 and len(rest) == 1 and rest[0].final
    assert found.rewind(BASE) == []
    assert finals(run_pipeline(found, dialogue())) == finals(expected)


def test_faces_get_new_ids_when_time_jumps_back() -> None:
    tracker = FaceTracker(1.0)
    box = (10.0, 10.0, 60.0, 60.0)
    assert tracker.update(100.0, [box]) == tracker.update(100.2, [box]) == ['face1']
    assert tracker.update(5.0, [box]) == tracker.update(5.2, [box]) == ['face2']


def test_stages_are_told_with_the_time_of_the_clock_that_is_given() -> None:
    ticks = count()
    told: list[tuple[str, float]] = []
    stages = Stages(lambda: float(next(ticks)), lambda *stage: told.append(stage))
    measured = run_pipeline(pipeline(stages=stages), dialogue())
    assert finals(measured) == finals(run_pipeline(pipeline(), dialogue()))
    runs = Counter(name for name, _ in told)
    assert runs[FUSION] == runs[TEXT] == 2
    assert runs[VOICE_ACTIVITY] == 10.0 * 16_000 // 512
    assert runs[AUDIO] > 40
    assert all(seconds == 1.0 for name, seconds in told)  # nothing is within another


def test_nothing_is_measured_without_a_clock() -> None:
    def fail(name: str, seconds: float) -> None:
        raise AssertionError(name)
    stages = Stages(None, fail)
    with stages.measuring('stage'):
        pass
    function = len
    assert stages.timed('stage', function) is function


def test_words_for_an_utterance_that_is_no_longer_kept_change_nothing() -> None:
    def words(number: int, text: str, revision: int = 0) -> UtterancePart:
        return UtterancePart(f'u{number}', revision, number, number, number + 1, text=text,
                             last=True, revision=revision)

    stream = DialogueStream(tiny_recognizer())
    for number in range(REVISABLE + 1):
        assert stream.push(words(number, 'so')) is not None
    assert stream.push(words(0, 'goodbye', revision=1)) is None
    (event,) = stream.events
    assert event.kind == 'transcript_late' and 'utterance u0' in event.text
    assert 'goodbye' not in event.text  # events go to logs
    revised = stream.push(words(1, 'goodbye', revision=1))
    assert revised is not None and revised.transcript == 'so goodbye'
