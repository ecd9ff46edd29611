# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""How a bundle is stored: rounded weights, the notice of its licences, and its sizes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from mmer_ros.recognition.bundle import Bundle, BundleError, CONFIG, WEIGHTS
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Modality
import numpy as np
import pytest
import safetensors.torch
import torch

from ..fixtures.model import tiny_bundle, utterance

ALL = Modality(7)


def test_rounded_weights_answer_alike_before_and_after_the_disk(tmp_path: Path):
    made = tiny_bundle(weights='float16')
    made.save(tmp_path / 'half')
    before = Recognizer(made).recognize(utterance(ALL))
    loaded = Recognizer.load(tmp_path / 'half', expected_hash=made.content_hash)
    np.testing.assert_array_equal(before.logits, loaded.recognize(utterance(ALL)).logits)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_only_matrices_are_rounded_and_take_half_the_room(tmp_path: Path):
    for kind in ('float32', 'float16'):
        tiny_bundle(weights=kind).save(tmp_path / kind)
    whole, half = (safetensors.torch.load_file(tmp_path / kind / WEIGHTS)
                   for kind in ('float32', 'float16'))
    model = Bundle.load(tmp_path / 'float16').model
    matrices = {name for name, p in model.named_parameters() if p.dim() > 1}
    assert {name for name, t in half.items() if t.dtype == torch.float16} == matrices
    for name, tensor in whole.items():
        expected = tensor.half() if name in matrices else tensor
        assert torch.equal(half[name], expected), name
    sizes = [(tmp_path / kind / WEIGHTS).stat().st_size for kind in ('float32', 'float16')]
    saved = 2 * sum(whole[name].numel() for name in matrices)
    assert sizes[0] - sizes[1] == pytest.approx(saved, rel=0.01)


def test_the_notice_is_told_once_however_often_the_bundle_is_loaded(
        tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tiny_bundle(notice='for research only', name='careful').save(tmp_path / 'careful')
    tiny_bundle(name='plain').save(tmp_path / 'plain')
    with caplog.at_level(logging.WARNING, 'mmer_ros'):
        for name in ('careful', 'plain', 'careful'):
            recognizer = Recognizer.load(tmp_path / name)
            recognizer.recognize(utterance(Modality.TEXT))
    assert [r.message for r in caplog.records] == ['bundle careful: for research only']


def test_no_number_in_the_settings_is_an_internal_error(tmp_path: Path) -> None:
    """Each number of the sizes becomes 0, negative, huge or none; the whole is loaded."""
    folder = tmp_path / 'bundle'
    tiny_bundle().save(folder)
    original = json.loads((folder / CONFIG).read_text())
    for part, sizes in original['model'].items():
        for name in sizes:
            for value in (0, -1, 2**40, 1e300, float('nan'), None, []):
                changed = json.loads(json.dumps(original))
                changed['model'][part][name] = value
                (folder / CONFIG).write_text(json.dumps(changed))
                try:
                    Bundle.load(folder)
                except BundleError as error:
                    assert str(error).isprintable() and len(str(error)) < 1000
