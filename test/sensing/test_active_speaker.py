# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Who speaks: the mouth that moves with the voice, else size; by stamps alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from mmer_ros.recordings.clips import speaker_of
from mmer_ros.sensing.active_speaker import (
    ActiveSpeaker,
    Choice,
    most_prominent,
    prominence,
    SpeakerConfig,
    SpeakerFaces,
)
from mmer_ros.sensing.face_detector import FaceConfig, FaceDetector, make_detector
from mmer_ros.sensing.face_patch import (
    aligned_patch,
    look_of,
    MOUTH,
    mouth_motion,
    PATCH_SIZE,
    PLACES,
)
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.types import AudioBlock, FaceCrop, UInt8, UtterancePart, VideoFrame
import numpy as np
import pytest

from ..fixtures.people import gathering, place_of, SMALLEST
from ..fixtures.stream import (
    arriving,
    BASE,
    blocks,
    by_utterance,
    Event,
    feed,
    in_order,
    Loudness,
    sample_audio,
    track,
)

PERIOD, FRAME_S = 0.2, 0.032
BLANK = np.zeros((160, 160, 3), np.uint8)
NOBODY = Choice()
Moves = Callable[[float], bool]  # seconds after BASE -> whether the mouth moves


def never(t: float) -> bool:
    return False


def always(t: float) -> bool:
    return True


def speaks(t: float) -> bool:
    return 1.0 <= t < 3.0


def patches(moves: Moves, seed: int, times: Sequence[float], *, nods: bool = False
            ) -> list[UInt8]:
    """Return pictures of a face that only differ where something moves."""
    rng = np.random.default_rng(seed)
    face = rng.uniform(60, 190, (PATCH_SIZE, PATCH_SIZE))
    found = []
    for t in times:
        image = face + rng.normal(0, 2, face.shape)
        if nods:
            image += rng.normal(0, 40, face.shape)
        elif moves(t):
            image[MOUTH] += rng.normal(0, 10, image[MOUTH].shape)
        found.append(image.clip(0, 255).astype(np.uint8))
    return found


def seen(name: str, moves: Moves, side: float = 100.0, *, until: float = 4.0, seed: int = 0,
         nods: bool = False, x: float = 10.0) -> list[FaceCrop]:
    """Return the crops of a face, 5 a second."""
    times = np.arange(0, until, PERIOD)
    box = (x, 10.0, x + side, 10.0 + side)
    return [FaceCrop(BASE + t, name, BLANK, box, 1.0, (640.0, 480.0), patch)
            for t, patch in zip(times, patches(moves, seed, list(times), nods=nods))]


def chosen(*faces: list[FaceCrop], begin: float = 0.0, end: float = 4.0, before: Choice = NOBODY,
           voice: Moves = speaks, heard: bool = True, **config: float) -> Choice:
    """Return who speaks, if somebody does from 1 to 3 s."""
    speaker = ActiveSpeaker(SpeakerConfig(**config))
    for step in range(round(4.0 / FRAME_S)):
        speaker.hear(BASE + (step + 1) * FRAME_S, float(voice(step * FRAME_S)))
    crops = sorted((c for face in faces for c in face), key=lambda c: c.stamp)
    speaker.see(crops)
    inside = [c for c in crops if BASE + begin <= c.stamp < BASE + end]
    return speaker.choose(inside, BASE + begin, BASE + end, before=before, heard=heard)


# ------------------------------------------------------------------------------- the choice


def test_the_mouth_that_moves_with_the_voice_speaks_though_it_is_the_smallest() -> None:
    faces = [seen('large', never, 200, seed=1), seen('small', speaks, 50, seed=2),
             seen('middle', never, 100, seed=3), seen('other', never, 120, seed=4)]
    choice = chosen(*faces)
    assert (choice.face_id, choice.by) == ('small', 'mouth') and choice.margin > 0.3


def test_who_chews_all_the_time_does_not_speak() -> None:
    choice = chosen(seen('chews', always, 200, seed=1), seen('speaks', speaks, 50, seed=2))
    assert (choice.face_id, choice.by) == ('speaks', 'mouth')


def test_a_head_that_moves_is_no_mouth_that_moves() -> None:
    nods = seen('nods', never, 200, seed=1, nods=True)
    choice = chosen(nods, seen('speaks', speaks, 50, seed=2))
    assert (choice.face_id, choice.by) == ('speaks', 'mouth')


@pytest.mark.parametrize('settings', [{'heard': False}, {'voice': never}, {'mouth_margin': 1.0}])
def test_where_no_mouth_tells_the_largest_face_is_taken(settings: dict) -> None:
    """Without a microphone, without a voice, or if it is so set."""
    faces = [seen('small', speaks, 50, seed=1), seen('large', never, 200, seed=2)]
    choice = chosen(*faces, **settings)
    assert (choice.face_id, choice.by) == ('large', 'size')
    assert choice.margin == pytest.approx(1 - prominence(faces[0])['small']
                                          / prominence(faces[1])['large'])


def test_of_two_still_faces_of_a_size_the_central_one_is_taken() -> None:
    choice = chosen(seen('edge', never, x=10.0), seen('centre', never, x=270.0), heard=False)
    assert (choice.face_id, choice.by) == ('centre', 'size') and 0 < choice.margin < 0.5


def test_a_face_alone_is_chosen_and_its_mouth_tells_whether_it_speaks() -> None:
    assert chosen(seen('alone', speaks)).by == 'mouth'
    assert chosen(seen('alone', never), heard=False) == Choice('alone', 'size', 1.0)
    assert chosen() == Choice()


def test_what_comes_after_the_end_has_no_influence() -> None:
    """The other's mouth moves, but later."""
    early = [seen('a', lambda t: 1 <= t < 2, seed=1), seen('b', lambda t: t >= 2, seed=2)]
    cut = [[c for c in face if c.stamp < BASE + 2.0] for face in early]
    assert chosen(*early, end=2.0) == chosen(*cut, end=2.0)
    assert chosen(*early, end=2.0).face_id == 'a'


def test_a_choice_is_kept_against_small_differences_and_given_up_for_large_ones() -> None:
    faces = [seen('a', speaks, seed=1), seen('b', never, seed=2)]
    assert chosen(*faces, before=Choice('b', 'mouth', 0.3)).face_id == 'a'
    alike = [seen('a', speaks, seed=1), seen('b', speaks, seed=2)]
    kept = [chosen(*alike, before=Choice(name, 'mouth', 0.3), switch_margin=0.5)
            for name in 'ab']
    assert [k.face_id for k in kept] == ['a', 'b'] and {k.by for k in kept} == {'mouth'}
    assert min(k.margin for k in kept) == 0.0  # the one that is behind
    assert chosen(*faces, before=Choice('b', 'size', 0.3), heard=False).face_id == 'b'


def test_crops_without_landmarks_will_do() -> None:
    """As those of ROS4HRI."""
    images = {'a': patches(never, 1, [i * PERIOD for i in range(20)]),
              'b': patches(speaks, 2, [i * PERIOD for i in range(20)])}
    faces = [[FaceCrop(BASE + i * PERIOD, name, as_crop(p)) for i, p in enumerate(many)]
             for name, many in images.items()]
    assert chosen(*faces).face_id == 'b'


def as_crop(patch: UInt8) -> UInt8:
    rows = np.arange(160) * PATCH_SIZE // 160
    return np.ascontiguousarray(np.repeat(patch[rows][:, rows, None], 3, axis=2))


# ------------------------------------------------------------------------------- patches


def test_a_face_looks_the_same_wherever_it_is_and_however_it_is_turned() -> None:
    rng = np.random.default_rng(0)
    small = rng.uniform(40, 210, (30, 30, 1)).astype(np.float32)
    image = np.repeat(small.repeat(16, 0).repeat(16, 1), 3, axis=2).astype(np.uint8)
    points = PLACES * 150 + 160
    one = aligned_patch(image, points)
    turned = aligned_patch(np.ascontiguousarray(np.rot90(image)),
                           np.stack([points[:, 1], 479 - points[:, 0]], axis=1))
    half = aligned_patch(np.ascontiguousarray(image[::2, ::2]), points / 2)
    assert one is not None and turned is not None and half is not None
    assert one.shape == (PATCH_SIZE, PATCH_SIZE) and one.std() > 20
    for other in (turned, half):
        assert float(look_of(one) @ look_of(other)) > 0.95
        assert mouth_motion(one, other) < 0.2


@pytest.mark.parametrize('points', [np.zeros((5, 2)), np.full((5, 2), np.nan), PLACES * 50 - 900])
def test_landmarks_that_make_no_face_in_the_image_give_no_patch(points: np.ndarray) -> None:
    assert aligned_patch(np.zeros((60, 80, 3), np.uint8), points) is None


# ------------------------------------------------------------------------------- utterances


def handed(faces: SpeakerFaces, speaker: ActiveSpeaker, crops: list[FaceCrop], step: float = 0.2,
           last: float = 4.0) -> list[tuple[str, list[float]]]:
    """Return who was chosen, and the stamps of the crops that were handed over, step by step."""
    out, rest = [], list(crops)
    for end in np.arange(faces.start + step, BASE + last + 1e-6, step):
        now = [c for c in rest if c.stamp < end]
        rest = [c for c in rest if c.stamp >= end]
        given = faces.take(now, end, speaker, last=end >= BASE + last - 1e-6, heard=True)
        assert {c.face_id for c in given} <= {faces.choice.face_id}
        out.append((faces.choice.face_id, [c.stamp for c in given]))
    return out


def scene(moves: dict[str, Moves]) -> tuple[ActiveSpeaker, list[FaceCrop]]:
    speaker = ActiveSpeaker(SpeakerConfig())
    for step in range(round(4.0 / FRAME_S)):
        speaker.hear(BASE + (step + 1) * FRAME_S, float(step * FRAME_S >= 1))
    crops = sorted((c for i, (name, m) in enumerate(moves.items())
                    for c in seen(name, m, 150 - 50 * i, seed=i)), key=lambda c: c.stamp)
    speaker.see(crops)
    return speaker, [c for c in crops if c.stamp >= BASE + 0.8]


def test_nobody_is_chosen_at_first_and_nothing_is_lost_by_that() -> None:
    speaker, crops = scene({'large': never, 'small': lambda t: t >= 1})
    out = handed(SpeakerFaces(BASE + 0.8, BASE), speaker, crops)
    assert [name for name, _ in out[:3]] == ['', '', ''] and {n for n, _ in out[3:]} == {'small'}
    assert [s for _, stamps in out for s in stamps] == [
        c.stamp for c in crops if c.face_id == 'small']


def test_a_face_that_takes_over_brings_all_its_crops_and_later_ones_do_not() -> None:
    """It begins to move late: first the larger one is taken; after 3 s the choice stands."""
    speaker, crops = scene({'large': never, 'small': lambda t: t >= 2})
    out = handed(SpeakerFaces(BASE + 0.8, BASE), speaker, crops)
    names = [name for name, _ in out]
    first = names.index('small')
    assert set(names[first:]) == {'small'} and set(names[:first]) <= {'', 'large'}
    assert out[first][1] == [c.stamp for c in crops if c.face_id == 'small'][:len(out[first][1])]
    assert len(out[first][1]) > 3
    speaker, crops = scene({'large': lambda t: t < 3.4, 'small': lambda t: t >= 3.6})
    assert {n for n, _ in handed(SpeakerFaces(BASE - 0.2, BASE), speaker, crops)} <= {'', 'large'}


def talk() -> list[Event]:
    """Two people, of whom first the one speaks and then the other."""
    turns = {'one': (1.0, 2.6), 'two': (4.0, 5.6)}
    events = []
    times = [i * PERIOD for i in range(40)]
    films = {name: patches(lambda t, a=a, b=b: a <= t < b, i, times)
             for i, (name, (a, b)) in enumerate(turns.items())}
    for i, t in enumerate(times):
        crops = [FaceCrop(BASE + t, name, BLANK, (0, 0, 90 - 50 * k, 90), 1.0, (0, 0), film[i])
                 for k, (name, film) in enumerate(films.items())]
        events.append(Event(BASE + t, (BASE + t, crops)))
        events.append(Event(BASE + t + 0.1, (BASE + t + 0.1, [])))  # an image not looked at
    return events


def parts_of(size: int, lag: float = 0.0) -> list[UtterancePart]:
    sound = track(8.0, [(1.0, 2.6), (4.0, 5.6)])
    faces = [Event(e.arrival + lag, e.item) for e in talk()]
    return feed(UtteranceSegmenter(SegmenterConfig(), Loudness()),
                in_order(arriving(blocks(sound, BASE, size)), faces))


def test_each_utterance_has_its_speaker() -> None:
    first, second = by_utterance(parts_of(1600)).values()
    assert (first[-1].face_id, first[-1].speaker_by) == ('one', 'mouth')
    assert (second[-1].face_id, second[-1].speaker_by) == ('two', 'mouth')
    assert 0.05 < second[-1].speaker_margin <= 1


@pytest.mark.parametrize(('size', 'lag'), [(160, 0.0), (512, 0.15), (7_919, 0.1), (12_800, 0.0)])
def test_the_choice_depends_on_stamps_alone(size: int, lag: float) -> None:
    """Whatever the sizes of the blocks, and though images are late, to the bit."""
    def gist(parts: list[UtterancePart]) -> list[tuple]:
        return [(p.index, p.face_id, p.speaker_by, p.speaker_margin, [c.stamp for c in p.faces])
                for p in parts]
    assert gist(parts_of(size, lag)) == gist(parts_of(1600))


# ------------------------------------------------------------------------------- drawn people


@cache
def detector() -> FaceDetector:
    return make_detector(FaceConfig())


@pytest.mark.parametrize('who', [
    0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_who_of_four_drawn_people_speaks_is_found(who: int) -> None:
    """From pictures, with the real detector; the smallest face has a tenth of all their area."""
    _, sound = sample_audio()
    sound = sound[:16_000 * 5]
    images = gathering([sound if i == who else None for i in range(4)], len(sound))
    stream = FaceStream(detector())
    crops = [c for i, image in enumerate(images)
             for c in stream.push(VideoFrame(BASE + i * PERIOD, image))]
    places = {c.face_id: place_of(c.box) for c in crops}
    assert sorted(places.values()) == [0, 1, 2, 3]
    assert places[speaker_of(crops, sound, BASE)] == who
    largest = most_prominent(crops)
    assert places[largest] == 0 != SMALLEST


@pytest.mark.slow
def test_a_recording_of_people_gives_the_speaker_while_it_runs() -> None:
    start, sound = sample_audio()
    sound = sound[:16_000 * 6]
    stream = FaceStream(detector())
    pictures = gathering([None, None, None, sound], len(sound))
    stamps = [start + i * PERIOD for i in range(len(pictures))]
    found = [stream.push(VideoFrame(t, image)) for t, image in zip(stamps, pictures)]
    faces = [Event(t, (t, crops)) for t, crops in zip(stamps, found)]
    audio = [AudioBlock(start + i / 16_000, 16_000, sound[i:i + 1600])
             for i in range(0, len(sound), 1600)]
    places = {c.face_id: place_of(c.box) for crops in found for c in crops}
    parts = feed(UtteranceSegmenter(SegmenterConfig(), Loudness(0.01)),
                 in_order(arriving(audio), faces))
    longest = max(by_utterance(parts).values(), key=lambda g: g[-1].end - g[0].start)
    assert places[longest[-1].face_id] == SMALLEST
    assert longest[-1].speaker_by == 'mouth'
