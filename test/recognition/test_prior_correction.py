# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The prior: how common the emotions are where a model is used."""

from __future__ import annotations

import logging
from typing import Any

from mmer_ros.recognition.bundle import BundleError
from mmer_ros.recognition.prior_correction import correction, MELD_COUNTS, NAMED, read_prior
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, Estimate, InvalidInput, Modality
import numpy as np
import pytest

from ..fixtures.model import TEMPERATURES, tiny_bundle, utterance

OWN = '70, 5, 2, 5, 12, 1, 5'
TRAINED = (.3, .1, .1, .1, .2, .1, .1)
TEXT, ALL = Modality.TEXT, Modality(7)


def estimate(prior: str, modalities: Modality = TEXT, **config: Any) -> Estimate:
    """Return what a small bundle with stored shares answers under a prior."""
    settings: dict[str, Any] = {'priors': {'text': TRAINED}} | config
    return Recognizer(tiny_bundle(**settings), prior=prior).recognize(utterance(modalities))


def test_names_and_numbers_are_shares_in_label_order():
    assert read_prior('flat') == pytest.approx([1 / 7] * 7)
    assert read_prior(' MELD ') == pytest.approx([count / 9989 for count in MELD_COUNTS])
    for text in (OWN, OWN.replace(',', ''), f'[{OWN}]', '0.70 0.05 0.02 0.05 0.12 0.01 0.05'):
        assert read_prior(text) == pytest.approx([.7, .05, .02, .05, .12, .01, .05])
    assert read_prior('') is None


@pytest.mark.parametrize('text', ['iemocap', '1 2 3', '1 1 1 1 1 1 0', '1 1 1 1 1 1 -1',
                                  '1 1 1 1 1 1 nan', '1 1 1 1 1 1 inf', '1 1 1 1 1 1 x'])
def test_anything_else_is_refused_with_what_was_expected(text: str):
    with pytest.raises(InvalidInput, match=r"'talk', 'meld', or 7 numbers > 0, .*neutral"):
        read_prior(text)
    with pytest.raises(InvalidInput, match='prior'):
        Recognizer.load('no_such_bundle_is_read', prior=text)


@pytest.mark.parametrize('prior', ['flat', 'talk', 'meld', OWN])
def test_it_is_bayes_rule_on_the_calibrated_answer(prior: str):
    """p'(y|x) ~ p(y|x) new(y) / old(y); the temperature of the subset is 2, not 1."""
    assert TEMPERATURES['text'] == 2.0
    plain, corrected = estimate('').probabilities, estimate(prior).probabilities
    expected = plain.astype(np.float64) * np.array(read_prior(prior)) / np.array(TRAINED)
    np.testing.assert_allclose(corrected, expected / expected.sum(), rtol=1e-5)
    assert np.abs(corrected - plain).max() > 0.02


def test_a_common_emotion_becomes_more_probable_and_the_logits_stay():
    weights = np.ones(7)
    weights[EMOTIONS.index('joy')] = 50
    joyful = estimate(' '.join(map(str, weights)))
    assert joyful.label == 'joy' and joyful.confidence > estimate('').probabilities[4]
    np.testing.assert_array_equal(joyful.logits, estimate('').logits)
    assert joyful.valence > estimate('').valence


def test_the_shares_of_the_calibration_themselves_change_nothing():
    np.testing.assert_allclose(estimate(' '.join(map(str, TRAINED))).probabilities,
                               estimate('').probabilities, rtol=1e-5)


def test_each_subset_has_its_own_and_one_without_is_not_corrected():
    priors = {'text': TRAINED, 'text+audio+face': tuple(reversed(TRAINED))}
    for subset, trained in ((TEXT, TRAINED), (ALL, TRAINED[::-1])):
        plain, flat = (estimate(p, subset, priors=priors).probabilities
                       for p in ('', 'flat'))
        expected = plain / np.array(trained)
        np.testing.assert_allclose(flat, expected / expected.sum(), rtol=1e-5)
    np.testing.assert_array_equal(
        estimate('flat', Modality.AUDIO, priors=priors).probabilities,
        estimate('', Modality.AUDIO, priors=priors).probabilities)


def test_batches_are_corrected_alike():
    recognizer = Recognizer(tiny_bundle(priors={'text': TRAINED}), prior='flat')
    batch = recognizer.recognize_batch([utterance(TEXT), utterance(ALL)])
    for row, modalities in zip(batch, (TEXT, ALL)):
        np.testing.assert_allclose(row.probabilities, recognizer.recognize(
            utterance(modalities)).probabilities, atol=1e-5)


def test_a_trained_bundle_without_stored_shares_says_that_it_is_not_corrected(
        caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, 'mmer_ros'):
        plain, asked = estimate('', priors={}), estimate('meld', priors={})
    np.testing.assert_array_equal(plain.probabilities, asked.probabilities)
    assert [r.message for r in caplog.records] == [
        'bundle tiny: it does not state the class shares under which it was calibrated; its '
        'estimates are not corrected for the prior']


def test_shares_of_an_unknown_subset_are_refused(tmp_path):
    tiny_bundle(priors={'audio+text': TRAINED}).save(tmp_path / 'tiny')
    with pytest.raises(BundleError, match=r"a prior for 'audio\+text'; expected one of text, "):
        Recognizer.load(tmp_path / 'tiny')


def test_talk_lies_between_flat_and_meld():
    flat, talk, meld = (np.array(NAMED[name]) for name in ('flat', 'talk', 'meld'))
    np.testing.assert_allclose(talk ** 2 / (talk ** 2).sum(), meld)
    assert flat[0] < talk[0] < meld[0]


def test_the_named_shares_sum_to_one_and_a_correction_by_the_same_is_zero():
    for shares in NAMED.values():
        assert sum(shares) == pytest.approx(1)
        np.testing.assert_array_equal(correction(shares, shares), np.zeros(7))
