# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recordings of sensors whose clocks differ give what the right clocks would have given."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmer_ros.recordings.recording import Recording
from mmer_ros.replay.arrivals import Arrivals
from mmer_ros.replay.topics import choose_topics
from mmer_ros.sensing.faces import FrameSampler
import pytest

from ..fixtures.replay import (
    answers,
    changing,
    IMAGES,
    NO_IMAGES,
    replay,
    restamped,
    rewrite,
    SOUND,
    unchanged,
)

UNTIL_S = 4.3  # of the sample: one utterance
OFFSETS = (-37.0, -5.0, -1.2, 1.2, 2.0, 5.0)
BOOT = -1_699_999_987.66  # as of a clock that counts from when the computer was switched on


class Arrived(NamedTuple):
    """What the pipeline is given: (kind, stamp) of each message by capture, and what is told."""

    messages: list[tuple[str, float]]
    notices: list[str]


def arrived(path: Path, stamps: str = 'auto') -> Arrived:
    with Recording(path) as recording:
        arrivals = Arrivals(recording, choose_topics(recording, {}), FrameSampler(5.0),
                            stamps=stamps)
        found = [arrival for message in recording.messages()
                 for arrival in arrivals.convert(message)]
        found += arrivals.flush()
    return Arrived(sorted((a.kind, a.stamp) for a in found if a.kind not in ('', 'idle')),
                   arrivals.notices)


@pytest.fixture(scope='module')
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp('bags') / 'clean', until_s=UNTIL_S)


@pytest.mark.parametrize('by', OFFSETS)
@pytest.mark.parametrize(('topic', 'name'), [(IMAGES, 'image'), (SOUND, 'audio')])
def test_the_pipeline_is_given_what_right_clocks_would_have_given(
        topic: str, name: str, by: float, clean: Path, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'skewed', changing(topic, restamped(by)), until_s=UNTIL_S)
    expected, found = arrived(clean), arrived(path)
    assert found.messages == expected.messages and expected.notices == []
    notice, = found.notices
    assert notice.startswith(f'{name}: the stamps are {abs(by)} s ')


def test_stamps_are_used_as_they_are_if_asked_for(clean: Path, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'skewed', changing(IMAGES, restamped(-5.0)), until_s=UNTIL_S)
    found = arrived(path, 'header')
    assert found.notices == []
    images = [[stamp for kind, stamp in a.messages if kind.startswith('image')]
              for a in (arrived(clean), found)]
    assert min(images[1]) == pytest.approx(min(images[0]) - 5.0)


def test_times_of_arrival_are_used_if_asked_for(clean: Path, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'skewed', changing(IMAGES, restamped(BOOT)), until_s=UNTIL_S)
    expected, found = arrived(clean, 'header'), arrived(path, 'arrival')
    assert found.notices == []
    for kind in ('audio', 'transcript'):
        stamps = [[stamp for found, stamp in a.messages if found == kind]
                  for a in (expected, found)]
        assert stamps[1] == pytest.approx(stamps[0], abs=0.1)
    images = [[stamp for kind, stamp in a.messages if kind.startswith('image')]
              for a in (expected, found)]
    assert sorted(images[1]) == pytest.approx(sorted(images[0]), abs=0.1)


@pytest.mark.parametrize(('topic', 'kind'), [(IMAGES, 'image'), (SOUND, 'audio')])
def test_a_clock_that_counts_from_its_start_is_right_to_a_tenth_of_a_second(
        topic: str, kind: str, clean: Path, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'skewed', changing(topic, restamped(BOOT)), until_s=UNTIL_S)
    stamps = [sorted(stamp for name, stamp in a.messages if name.startswith(kind))
              for a in (arrived(clean), arrived(path))]
    assert stamps[1] == pytest.approx(stamps[0], abs=0.05)


@pytest.mark.parametrize('by', [-37.0, -1.2, 5.0])
def test_a_skewed_microphone_alone_gives_the_same_estimates(by: float, tmp_path: Path) -> None:
    expected, found = (
        answers(replay(rewrite(tmp_path / name, change), topics=NO_IMAGES))
        for name, change in (('clean', unchanged), ('skewed', changing(SOUND, restamped(by)))))
    assert found == expected and len(found) == 2


def test_a_camera_that_counts_from_its_start_gives_faces_to_the_utterances(tmp_path: Path
                                                                           ) -> None:
    path = rewrite(tmp_path / 'skewed', changing(IMAGES, restamped(BOOT)), until_s=UNTIL_S)
    result = replay(path, output=tmp_path / 'out', report=False)
    assert result.summary['modalities'] == {'text+audio+face': 1}
    assert result.summary['events'] == {'image_clock': 1}
    assert any('image: the stamps are' in notice for notice in result.summary['notices'])
    assert result.exit_code == 0
