# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is normal for a voice: subtracted live, by person, the same however the parts are cut."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.whisper_encoder import WhisperEncoderConfig
from mmer_ros.recognition.bundle_export import export_bundle
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.voice_baseline import EXPLAINED, PRIOR_UTTERANCES, VoiceBaselines
from mmer_ros.types import Estimate, InvalidInput, Modality, Utterance, UtterancePart
import numpy as np
from numpy.typing import NDArray
import pytest
import torch

from ..fixtures.model import random_audio, TINY, tiny_bundle

VOICE = WhisperEncoderConfig(d_model=16, n_layer=2, n_head=2, n_inner=32, states=(1, 2),
                             window_s=0.5, width=9)


@cache
def recognizer(adapt: bool = True) -> Recognizer:
    """Return a recogniser whose logits are those of its voice classifier, nearly."""
    return Recognizer(tiny_bundle(
        model=TINY.model_copy(update={'audio': VOICE, 'fusion': FusionConfig(family='pool')}),
        voice_adaptation=True, temperatures={}, calibrated=False), adapt_to_voices=adapt)


def spoken(stream: DialogueStream, name: str, sound: NDArray[np.int16], person: str = 'ana',
           cuts: tuple[int, ...] = ()) -> Estimate:
    """Return the final estimate of an utterance that comes in parts."""
    parts = np.split(sound, cuts)
    for index, audio in enumerate(parts):
        estimate = stream.push(UtterancePart(
            name, index, 0.0, float(index), index + 1.0, audio=audio, person_id=person,
            last=index == len(parts) - 1))
    assert estimate is not None and estimate.final
    return estimate


def test_a_baseline_is_what_emotions_do_not_explain_shrunk_towards_other_voices() -> None:
    voices, total = VoiceBaselines(), np.zeros(7)
    random = np.random.default_rng(0)
    for count in range(1, 20):
        logits = random.normal(1, 2, 7)
        exp = np.exp(logits - total / (count - 1 + PRIOR_UTTERANCES))
        total += logits - EXPLAINED * exp / exp.sum()
        total -= total.mean()  # a constant changes no probability
        voices.add('ana', logits)
        np.testing.assert_allclose(voices.offset('ana'), total / (count + PRIOR_UTTERANCES))
    common = total / (19 + PRIOR_UTTERANCES)
    np.testing.assert_allclose(voices.offset('bob'), common)
    voices.clear()
    assert not voices.offset('ana').any()


def test_who_is_neutral_all_the_time_stays_neutral() -> None:
    voices, neutral = VoiceBaselines(), np.eye(7)[0] * EXPLAINED * 1.5
    for _ in range(100):
        voices.add('ana', neutral)
    left = neutral - voices.offset('ana')
    of_the_mean = neutral * PRIOR_UTTERANCES / (100 + PRIOR_UTTERANCES)
    assert left.argmax() == 0 and np.ptp(left) > 1.5 * np.ptp(of_the_mean)


def test_what_is_not_finite_never_enters_a_baseline() -> None:
    voices = VoiceBaselines()
    voices.add('ana', np.full(7, np.nan))
    assert not voices.offset('ana').any()


def test_what_a_voice_always_sounds_like_is_no_emotion() -> None:
    """The same sound again and again: its logits shrink, as the baseline grows."""
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    plain = recognizer(False).recognize(Utterance(audio=sound)).logits
    spread = [float(np.ptp(spoken(stream, f'u{i}', sound).logits)) for i in range(12)]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] < float(np.ptp(plain)) and spread[-1] < 0.6 * spread[0]


def test_it_can_be_switched_off_and_the_api_for_single_utterances_has_none() -> None:
    stream, sound = DialogueStream(recognizer(False)), random_audio(9_000)
    for i in range(3):
        spoken(stream, f'u{i}', random_audio(5_000, i))
    alone = recognizer(True).recognize(Utterance(audio=sound))
    np.testing.assert_array_equal(spoken(stream, 'u', sound).logits, alone.logits)


@pytest.mark.parametrize('rate', [0.0, 2.0])
def test_parts_and_partial_estimates_change_no_bit(rate: float) -> None:
    whole, cut = DialogueStream(recognizer()), DialogueStream(recognizer(), partial_rate=rate)
    for i in range(4):
        sound, person = random_audio(20_000, i), 'ana' if i % 2 else 'bob'
        expected = spoken(whole, f'u{i}', sound, person)
        found = spoken(cut, f'u{i}', sound, person, cuts=(1, 700, 9_000, 15_000))
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_the_engines_adapt_alike(tmp_path: Path) -> None:
    recognizer().bundle.save(tmp_path / 'b')
    export_bundle(tmp_path / 'b')
    streams = [DialogueStream(Recognizer.load(tmp_path / 'b', engine=engine))
               for engine in ('torch', 'onnx')]
    for i in range(4):
        sound, person = random_audio(20_000, i % 3), 'ana' if i % 2 else 'bob'
        one, other = (spoken(stream, f'u{i}', sound, person).logits for stream in streams)
        np.testing.assert_allclose(one, other, atol=1e-4)
    unadapted = Recognizer.load(tmp_path / 'b').recognize(Utterance(audio=sound)).logits
    assert np.abs(other - unadapted).max() > 0.01


def test_people_have_baselines_of_their_own() -> None:
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    for i in range(9):
        spoken(stream, f'u{i}', sound, 'ana')
    known, new = spoken(stream, 'a', sound, 'ana'), spoken(stream, 'b', sound, 'bob')
    assert not np.allclose(known.logits, new.logits, atol=1e-4)


def test_late_words_count_no_voice_twice() -> None:
    one, two = DialogueStream(recognizer()), DialogueStream(recognizer())
    sound = random_audio(9_000)
    for stream in (one, two):
        spoken(stream, 'u0', sound)
    two.push(UtterancePart('u0', 1, 0.0, 1.0, 1.0, text='so', person_id='ana', last=True,
                           revision=1))
    expected, found = (spoken(stream, 'u1', random_audio(9_000, 1)) for stream in (one, two))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_a_sound_for_which_the_gate_closes_is_no_voice() -> None:
    """A gate that reads one feature, of which the noise has less than the voice."""
    bundle = tiny_bundle(
        model=TINY.model_copy(update={'audio': VOICE, 'fusion': FusionConfig(family='pool')}),
        voice_adaptation=True, temperatures={}, calibrated=False)
    model, voice, hum = bundle.model, random_audio(9_000), np.full(9_000, 900, np.int16)
    with torch.no_grad():
        features = [model.encoders[Modality.AUDIO].encode([s], []) for s in (voice, hum)]
        levels = [float(each[0].mean(dim=1)[0, 8]) for each in features if each is not None]
        sign, middle = np.sign(levels[0] - levels[1]), float(np.mean(levels))
        gate = model.fusion.late_fusion.gates['audio']
        gate.requires_grad_(False)
        gate[0].weight.zero_()
        gate[0].bias.zero_()
        gate[0].weight[0, 8], gate[0].bias[0] = sign, -sign * middle
        gate[2].weight.zero_()
        gate[2].weight[0, 0], gate[2].bias[0] = 1e4, -1e-3
    with_noise, without = (DialogueStream(Recognizer(bundle)) for _ in range(2))
    for i in range(5):
        spoken(with_noise, f'n{i}', hum)
    np.testing.assert_array_equal(spoken(with_noise, 'u', voice).probabilities,
                                  spoken(without, 'u', voice).probabilities)


def test_a_reset_forgets_the_voices() -> None:
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    first = spoken(stream, 'u0', sound)
    spoken(stream, 'u1', sound)
    stream.reset_history()
    np.testing.assert_array_equal(spoken(stream, 'u2', sound).probabilities, first.probabilities)


def test_a_classifier_that_is_not_linear_cannot_adapt() -> None:
    with pytest.raises(InvalidInput, match='voice_adaptation.*config.json'):
        Recognizer(tiny_bundle(voice_adaptation=True))
    Recognizer(tiny_bundle(voice_adaptation=True), adapt_to_voices=False)
