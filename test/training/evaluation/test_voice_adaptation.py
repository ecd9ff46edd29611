# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The simulation of adaptation to held-out voices."""

from __future__ import annotations

import numpy as np
import torch
from training.encoders.audio.linear_voice import VoiceVectors
from training.evaluation.voice_adaptation import adaptation_rows, simulate_adaptation

RNG = np.random.default_rng(0)


def people(count: int, biased: float) -> tuple[VoiceVectors, np.ndarray]:
    """Return speakers with 30 clips of each of four emotions, and logits that are biased."""
    labels = np.tile(np.repeat([0, 2, 4, 6], 30), count)
    speakers = np.repeat([f's{i}' for i in range(count)], 120)
    logits = RNG.normal(0, 1, (len(labels), 7))
    logits[np.arange(len(labels)), labels] += 2
    logits += np.repeat(RNG.normal(0, biased, (count, 7)), 120, axis=0)
    corpus = VoiceVectors('x', tuple(map(str, range(len(labels)))),
                          torch.zeros(len(labels), 1), labels, speakers)
    return corpus, logits.astype(np.float32)


def test_adaptation_mends_biased_voices() -> None:
    found = simulate_adaptation(*people(12, 3.0))
    assert list(found) == ['balanced', 'as in MELD', '60 % neutral']
    late = found['balanced']['11-40']
    assert late['with'] > late['without'] + 0.15


def test_it_costs_voices_without_a_bias_little() -> None:
    for periods in simulate_adaptation(*people(12, 0.0)).values():
        for each in periods.values():
            assert each['with'] > each['without'] - 0.15  # three emotions never occur


def test_speakers_of_one_emotion_tell_nothing() -> None:
    corpus, logits = people(6, 1.0)
    one = corpus.where(corpus.labels == 4)
    assert simulate_adaptation(one, logits[corpus.labels == 4]) == {}


def test_a_row_shows_each_period() -> None:
    rows = dict(adaptation_rows(simulate_adaptation(*people(5, 1.0))))
    assert all(len(cells) == 3 and ' > ' in cells[0] for cells in rows.values())
