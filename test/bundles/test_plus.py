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


def test_its_card_begins_with_unseen_corpora_and_its_licences() -> None:
    bundle = Bundle.load('plus')
    opening, first = bundle.card.split('## ')[:2]
    assert 'not learnt from' in opening and first.startswith('Licences first')
    for text in (bundle.card, bundle.config.notice):
        assert 'non-commercial' in text
        for source in ('RAVDESS', 'nEMO', 'URDU', 'FER2013', 'MELD', 'GoEmotions'):
            assert source in text
    unseen = bundle.config.training['unseen_corpora']
    assert set(unseen) == {'ravdess', 'nemo', 'urdu'}
    for each in unseen.values():
        assert each['unweighted_recall']['low'] > 1 / 7  # better than guessing on people unmet


def test_the_gate_opens_for_people_of_every_corpus() -> None:
    gates = Bundle.load('plus').config.training['gates']
    assert set(gates) == {'ravdess', 'nemo', 'urdu'} and min(gates.values()) >= 0.8


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


def test_words_and_faces_say_what_they_say_in_starter() -> None:
    starter = Recognizer.load('starter', prior='flat')
    for utterance in golden_inputs().values():
        for part in (Utterance(text=utterance.text), Utterance(faces=utterance.faces)):
            before, after = starter.recognize(part), recognizer('flat').recognize(part)
            assert np.abs(after.probabilities - before.probabilities).max() < 0.2
