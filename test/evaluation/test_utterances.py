# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Estimates against labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.evaluation.labels import Label
from mmer_ros.evaluation.metrics import score
from mmer_ros.evaluation.utterances import evaluate, summarize, utterances
from mmer_ros.replay.result import ReplayResult
from mmer_ros.types import EMOTIONS
import numpy as np
import pytest

from ..fixtures.replay import NO_IMAGES, replay, rewrite
from ..fixtures.stream import BASE, SAMPLE, sample_labels


def row(name: str, start: float, end: float, emotion: int, *, revision: int = 0,
        published: float | None = None, sure: float = 0.7) -> dict[str, Any]:
    """Return an estimate as a replay has it."""
    rest = (1 - sure) / 6
    probabilities = {n: sure if i == emotion else rest for i, n in enumerate(EMOTIONS)}
    return {'utterance_id': name, 'start': start, 'end': end, 'final': True, 'revision': revision,
            'emotion': emotion, 'label': EMOTIONS[emotion], 'confidence': sure,
            'probabilities': probabilities, 'modalities': ['text', 'audio'],
            'published': end + 0.3 if published is None else published, 'latency': 0.3}


LABELS = [Label(0.2, 1.9, 4), Label(3.0, 4.0, 0), Label(6.0, 7.0), Label(9.0, 10.0, 5)]
ROWS = [row('a', 0.0, 2.0, 4), row('b', 2.8, 4.1, 6), row('b', 2.8, 4.1, 0, revision=1,
                                                          published=6.5),
        row('c', 5.8, 7.1, 1), row('d', 12.0, 13.0, 2)]


def test_the_latest_revision_is_scored_and_the_first_one_is_how_late_it_was() -> None:
    evaluation = evaluate(LABELS, ROWS)
    assert [pair['utterance_id'] for pair in evaluation.pairs] == ['a', 'b', 'c']
    assert [pair['correct'] for pair in evaluation.pairs] == [True, True, None]
    assert [pair['latency'] for pair in evaluation.pairs] == pytest.approx([0.4, 0.4, 0.4])
    assert [pair['start_error'] for pair in evaluation.pairs] == pytest.approx([-0.2] * 3)


def test_the_figures_are_those_of_the_pairs() -> None:
    found = summarize([evaluate(LABELS, ROWS, outside=2)])
    assert (found['labels'], found['labels_outside'], found['utterances'], found['matched']) == (
        4, 2, 4, 3)
    assert found['labels_without_estimate'] == found['estimates_without_label'] == 1
    segmentation = found['segmentation']
    assert [segmentation[n] for n in ('missed', 'spurious', 'split', 'merged')] == [1, 1, 0, 0]
    assert segmentation['end_error_s']['mean'] == pytest.approx(0.1)
    assert segmentation['start_error_s']['p95_abs'] == pytest.approx(0.2)
    assert found['latency_s']['p50'] == pytest.approx(0.4)
    expected = score(np.array([4, 0]), np.array(
        [list(r['probabilities'].values()) for r in (ROWS[0], ROWS[2])])).to_dict()
    assert {name: found['scores'][name] for name in expected} == expected
    assert found['by_modalities'] == {'text+audio': {'count': 2, 'accuracy': 1.0}}


def test_several_recordings_are_scored_together() -> None:
    one, other = evaluate(LABELS[:1], ROWS[:1]), evaluate(LABELS[1:2], [ROWS[1]])
    together = summarize([one, other])
    assert together['scores']['count'] == 2 and together['scores']['accuracy'] == 0.5
    assert together['matched'] == together['labels'] == 2


def test_without_a_known_emotion_there_are_no_scores() -> None:
    found = summarize([evaluate(LABELS[2:3], ROWS)])
    assert found['scores'] is None and 'no estimate has a label' in found['scores_problem']
    assert found['matched'] == 1
    nothing = summarize([evaluate([], [])])
    assert nothing['latency_s'] is None and nothing['segmentation']['mean_iou'] is None


def test_ids_that_come_again_when_a_recording_loops_are_other_utterances() -> None:
    rows = [ROWS[1], ROWS[2], ROWS[0], row('b', 2.8, 4.1, 3)]
    firsts, latest = utterances(rows)
    assert [r['emotion'] for r in firsts] == [6, 4, 3]
    assert [r['emotion'] for r in latest] == [0, 4, 3]


@pytest.fixture(scope='module')
def judged(tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """Return the beginning of the sample with its labels, the camera left out."""
    folder = tmp_path_factory.mktemp('judged')
    path = rewrite(folder / 'bag', until_s=14.2)
    return replay(path, topics=NO_IMAGES, labels=SAMPLE / 'labels.csv', output=folder / 'out')


def test_the_segmentation_of_the_sample_is_good(judged: ReplayResult) -> None:
    found = judged.summary['evaluation']
    assert (found['labels'], found['labels_outside'], found['matched']) == (4, 6, 4)
    segmentation = found['segmentation']
    assert not any(segmentation[n] for n in ('missed', 'spurious', 'split', 'merged'))
    assert -0.32 < segmentation['start_error_s']['mean'] < -0.15  # the pre-roll is 0.256 s
    assert abs(segmentation['end_error_s']['mean']) < 0.2
    assert found['scores']['count'] == 4
    assert judged.evaluation is not None and judged.folder is not None
    assert [p['label']['text'] for p in judged.evaluation.pairs] == [
        r['text'] for r in sample_labels()[:4]]
    again = ReplayResult.load(judged.folder)
    assert again.evaluation is not None
    assert again.evaluation.to_dict() == judged.evaluation.to_dict()


def test_labels_in_the_recording_are_found_and_may_count_from_its_start(tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag', until_s=4.5)
    (path / 'labels.csv').write_text('start,end,emotion\n1.3,3.8,neutral\n')
    found = replay(path, topics=NO_IMAGES).summary['evaluation']
    assert found['matched'] == found['labels'] == 1
    assert found['segmentation']['mean_iou'] > 0.8


def test_labels_in_the_recording_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag', until_s=4.5)
    (path / 'labels.csv').write_text('start,end,emotion\n1.3,3.4,bliss\n')
    result = replay(path, topics=NO_IMAGES)
    assert result.exit_code == 3 and 'bliss' in result.summary['faults'][0]
    assert len(result.estimates) == 1 and result.evaluation is None
    assert result.estimates[0]['start'] > BASE
