# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Ways of fusing voice and face, on drawn outputs of encoders."""

import numpy as np
import pytest
import torch
from training.corpora.ravdess_action_units import Units
from training.encoders.audio.linear_voice import VoiceVectors
from training.evaluation.pairs import fusion_families
from training.evaluation.pairs.fusion_families import centred, compare_families, Outputs, WAYS

ACTORS, CLIPS = 10, 140


@pytest.fixture
def drawn():
    """Voices and faces of ten actors; each shows half of what there is to see."""
    random = np.random.default_rng(0)
    labels = np.tile(np.arange(7), CLIPS // 7)
    actors = np.repeat(np.arange(1, ACTORS + 1), CLIPS // ACTORS)
    keys = [f'Actor_{actor:02d}/{i}.flac' for i, actor in enumerate(actors)]
    shown = np.eye(7)[labels]
    units = Units(keys, (shown + 0.6 * random.standard_normal((CLIPS, 7))).astype(np.float32),
                  labels, actors)
    vectors = torch.from_numpy((shown + 0.6 * random.standard_normal((CLIPS, 7)))
                               .astype(np.float32))
    own = VoiceVectors('ravdess', tuple(keys), vectors, labels, actors.astype(str))
    sequences = {key: vector.repeat(3 + i % 4, 1)
                 for i, (key, vector) in enumerate(zip(keys, vectors))}
    return units, own, sequences


def test_two_inputs_are_better_than_one_in_each_way(drawn, monkeypatch):
    monkeypatch.setattr(fusion_families, 'EPOCHS', 30)
    monkeypatch.setattr(fusion_families, 'RATE', 1e-2)
    monkeypatch.setattr(fusion_families, 'SEEDS', 1)
    units, own, sequences = drawn
    found = compare_families(units, own, [], sequences, 0.01)
    assert found['clips'] == CLIPS and found['actors'] == ACTORS
    assert set(found['ways']) == set(WAYS)
    pool = found['ways']['log-linear pool']
    assert pool['over_pool'] == {'value': 0.0, 'low': 0.0, 'high': 0.0}
    assert pool['over_single']['low'] > 0
    for name, way in found['ways'].items():
        assert name in ('voice', 'face') or way['over_single']['value'] > 0, name


def test_centring_takes_away_what_a_person_always_shows():
    logits = np.random.default_rng(1).standard_normal((20, 7))
    people = np.repeat([0, 1], 10)
    outputs = Outputs([], torch.zeros(20, 1), logits + people[:, None] * np.arange(7), logits,
                      np.zeros(20, np.int64), people)
    found = centred(outputs)
    assert np.allclose(found.voice_logits[:10].mean(axis=0), found.voice_logits[10:].mean(axis=0))
    assert np.allclose(found.voice_logits.mean(axis=0), outputs.voice_logits.mean(axis=0))
