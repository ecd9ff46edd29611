# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The bundle plus: whole, small, open about its licences, and quiet where there is no voice."""

from __future__ import annotations

from functools import cache

from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.recognition.bundle import Bundle, DEFAULT_BUNDLE, find_bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import Increment
from mmer_ros.types import Modality, subset_name, SUBSETS, Utterance
import numpy as np
import pytest
from tools.make_golden import golden_inputs

from .test_starter import check_modest, noise

MOST_BYTES = 80_000_000
CORPORA = {'ravdess', 'nemo', 'urdu'}


@cache
def recognizer(prior: str) -> Recognizer:
    return Recognizer.load('plus', prior=prior)


def test_it_is_trained_calibrated_small_and_the_default() -> None:
    folder = find_bundle(DEFAULT_BUNDLE)
    assert folder is not None and folder.name == 'plus'
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    config = Bundle.load('plus').config
    assert config.trained and config.calibrated and config.voice_adaptation
    names = {subset_name(subset) for subset in SUBSETS}
    assert set(config.temperatures) == set(config.priors) == names


def test_its_card_begins_with_unseen_people_and_its_licences() -> None:
    bundle = Bundle.load('plus')
    sections = bundle.card.split('## ')
    assert sections[0].startswith('---\nlicense: ')
    assert sections[1].startswith('What to expect on people it has never met')
    assert sections[2].startswith('Licences first')
    for text in (bundle.card, bundle.config.notice):
        assert 'non-commercial' in text
        for source in ('RAVDESS', 'nEMO', 'URDU', 'FER2013', 'MELD', 'GoEmotions'):
            assert source in text
    unseen = bundle.config.training['unseen_corpora']
    assert set(unseen) == CORPORA
    for each in unseen.values():
        assert each['unweighted_recall']['low'] > 1 / 7  # better than guessing on people unmet


def test_the_gate_opens_for_people_of_a_corpus_that_it_has_not_learnt_from() -> None:
    gates = Bundle.load('plus').config.training['gates']
    assert min(gates[corpus] for corpus in CORPORA) >= 0.8


def test_each_subset_says_from_which_confidence_to_believe_it() -> None:
    thresholds = Bundle.load('plus').config.thresholds
    assert set(thresholds) == {subset_name(subset) for subset in SUBSETS}
    for limits in thresholds.values():
        assert all(limit is None or 1 / 7 < limit < 1 for limit in limits)
    known = [limit for limit in thresholds['text+audio+face'] if limit is not None]
    assert len(known) >= 4


@pytest.mark.parametrize('level', [0.1, 1.0])
@pytest.mark.parametrize('kind', [
    'silence', 'faint', 'white', 'loud', 'brown', 'rumble', 'mains', 'hum', 'tone', 'chord',
    'organ', 'accordion', 'sweep', 'siren', 'melody', 'beep', 'knocks'])
def test_of_a_sound_without_a_voice_it_says_little(kind: str, level: float) -> None:
    sound = np.round(level * noise(kind)).astype(np.int16)
    check_modest(recognizer('meld').recognize(Utterance(audio=sound)))
    assert recognizer('flat').recognize(Utterance(audio=sound)).confidence < 0.5


@pytest.mark.parametrize('name', sorted(golden_inputs()))
def test_parts_give_the_features_of_the_whole_to_the_bit(name: str) -> None:
    voice = recognizer('').encoders
    sound = np.tile(golden_inputs()[name].audio, 4)
    whole, states = voice.encode([Utterance(audio=sound)]), voice.start()
    for part in np.array_split(sound, 31):
        voice.stream([Increment(states, {
            Modality.TEXT: '', Modality.AUDIO: part, Modality.FACE: None})])
    streamed = voice.finish([states], [DialogueContext()])
    np.testing.assert_array_equal(streamed[Modality.AUDIO][0], whole[Modality.AUDIO][0])


def test_it_runs_in_either_engine_with_the_same_answers() -> None:
    torch_one = Recognizer.load('plus', engine='torch')
    assert recognizer('').engine == 'onnx'
    for utterance in golden_inputs().values():
        for part in (utterance, Utterance(audio=utterance.audio)):
            difference = torch_one.recognize(part).logits - recognizer('').recognize(part).logits
            assert np.abs(difference).max() < 1e-4
