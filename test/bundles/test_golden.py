# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The shipped bundle answers synthetic input as it did when the golden answers were written."""

from __future__ import annotations

from copy import deepcopy
import json
from pathlib import Path
from typing import Any

from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import SUBSETS
import numpy as np
import pytest
from tools.make_golden import (
    as_json,
    differences,
    explain,
    GOLDEN,
    golden_answers,
    golden_inputs,
    main,
    TOLERANCE,
)
import torch


@pytest.fixture(scope='module')
def golden() -> dict[str, Any]:
    return dict(json.loads(GOLDEN.read_text(encoding='utf-8')))


@pytest.fixture(scope='module', params=['torch', 'onnx'])
def now(request: pytest.FixtureRequest) -> dict[str, Any]:
    return golden_answers(Recognizer.load(engine=request.param))


def test_the_shipped_bundle_gives_the_golden_answers(
        golden: dict[str, Any], now: dict[str, Any]) -> None:
    assert explain(golden, now) == '', explain(golden, now)


def test_the_bundle_starter_gives_its_golden_answers() -> None:
    golden = json.loads(GOLDEN.with_name('golden_starter.json').read_text(encoding='utf-8'))
    now = golden_answers(Recognizer.load('starter'))
    assert explain(golden, now) == '', explain(golden, now)


def test_the_golden_answers_are_of_the_shipped_bundle_and_every_subset(
        golden: dict[str, Any], now: dict[str, Any]) -> None:
    assert golden['hash'] == now['hash']
    assert len(golden['answers']) == len(SUBSETS) * len(golden_inputs())
    assert as_json(golden) == GOLDEN.read_text(encoding='utf-8')


def test_no_label_hangs_on_the_tolerance(golden: dict[str, Any]) -> None:
    """The best logit leads by far more than may change, so that labels can be compared."""
    for answer in golden['answers']:
        second, first = sorted(answer['logits'])[-2:]
        assert first - second > 100 * TOLERANCE, answer


def test_several_labels_are_among_the_answers(golden: dict[str, Any]) -> None:
    assert len({answer['label'] for answer in golden['answers']}) >= 4


@pytest.mark.parametrize('part', ['text', 'audio', 'face', 'fusion'])
def test_a_drift_of_a_thousandth_in_one_part_is_noticed(
        golden: dict[str, Any], part: str) -> None:
    recognizer = Recognizer.load(engine='torch')
    with torch.no_grad():
        for weights in getattr(recognizer.model, part).parameters():
            weights.mul_(1.001)
    rows = differences(golden, golden_answers(recognizer))
    assert len(rows) >= 7
    assert all(part in row.split(' of ')[0] for row in rows) or part == 'fusion'


def drifted(golden: dict[str, Any], by: float, **changes: Any) -> dict[str, Any]:
    """Return the answers with one logit moved, and other entries changed."""
    other = deepcopy(golden) | changes
    other['answers'][3]['logits'][0] += by
    return other


def test_differences_within_the_tolerance_are_none(golden: dict[str, Any]) -> None:
    assert explain(golden, drifted(golden, 0.9 * TOLERANCE)) == ''
    assert explain(golden, drifted(golden, 1.1 * TOLERANCE)) != ''
    assert explain(golden, drifted(golden, np.nan)) != ''


def test_another_label_differs_even_where_the_logits_agree(golden: dict[str, Any]) -> None:
    other = drifted(golden, 0.0)
    other['answers'][3]['label'] = 'fear' if other['answers'][3]['label'] != 'fear' else 'joy'
    assert '1 of 21 golden answers differ' in explain(golden, other)


@pytest.mark.parametrize(('changes', 'cause'), [
    ({}, 'the code has changed them'),
    ({'versions': {'torch': '99.0'}}, 'A dependency may have drifted'),
    ({'inputs': {}}, 'synthetic inputs have changed'),
    ({'hash': 'f00'}, 'The bundle has changed'),
])
def test_the_message_names_the_cause_and_what_to_do(
        golden: dict[str, Any], changes: dict[str, Any], cause: str) -> None:
    text = explain(golden, drifted(golden, 0.5, **changes))
    assert cause in text and 'python -m tools.make_golden' in text
    assert 'logits differ by 0.5' in text
    assert ('torch' in text) == ('versions' in changes)


def test_the_command_renews_and_checks(
        tmp_path: Path, golden: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / 'golden.json'
    assert main(['--out', str(other)]) == 0
    renewed = json.loads(other.read_text(encoding='utf-8'))
    assert explain(golden, renewed) == '' and renewed['inputs'] == golden['inputs']
    other.write_text(as_json(drifted(golden, 1.0)), encoding='utf-8')
    assert main(['--check', '--out', str(other)]) == 1
    assert '1 of 21 golden answers differ' in capsys.readouterr().out
