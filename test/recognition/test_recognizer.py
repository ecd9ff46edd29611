# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The recogniser: whole, part by part and in batches it says the same, of any modalities."""

from __future__ import annotations

from dataclasses import replace
import logging
from typing import Any

from mmer_ros.networks.batching import as_float
from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.recognizer import check_device, Recognizer
from mmer_ros.types import (
    EMOTIONS,
    Estimate,
    FaceCrop,
    InvalidInput,
    MODALITIES,
    Modality,
    Turn,
    Utterance,
    UtterancePart,
)
import numpy as np
from numpy.typing import NDArray
import pytest
import torch

from ..fixtures.model import (
    crops,
    random_audio,
    random_faces,
    subset_name,
    SUBSETS,
    TEMPERATURES,
    tiny_bundle,
    tiny_recognizer,
    TOLERANCE,
    TRUST,
    utterance,
)

ALL = Modality.TEXT | Modality.AUDIO | Modality.FACE
HISTORY = (Turn('ross', 'hi'), Turn('', 'oh, hi'))
EVERY_SUBSET = pytest.mark.parametrize('modalities', SUBSETS, ids=subset_name)


def parts_of(whole: Utterance, rng: np.random.Generator, *, count: int = 8, name: str = 'u1',
             start: float = 100.0, **more: Any) -> list[UtterancePart]:
    """Spread an utterance over parts at random, some of them empty or of one sample."""
    audio = whole.audio if whole.audio is not None else np.zeros(0, np.int16)
    faces = whole.faces if whole.faces is not None else np.zeros((0, 160, 160, 3), np.uint8)
    words = (whole.text or '').split()
    cuts = sorted([*rng.integers(0, len(audio) + 1, count - 3), *[min(1, len(audio))] * 2])
    heard = np.split(audio, cuts)
    seen = np.split(faces, sorted(rng.integers(0, len(faces) + 1, count - 1)))
    bounds = [0, *sorted(rng.integers(0, len(words) + 1, count - 1)), len(words)]
    said = [' '.join(words[a:b]) for a, b in zip(bounds, bounds[1:])]
    assert len(heard) == len(seen) == len(said) == count
    times = start + np.arange(count + 1) * 0.5
    return [UtterancePart(name, i, start, times[i], times[i + 1], audio=heard[i],
                          faces=crops(seen[i], times[i], 0.01), text=said[i],
                          last=i == count - 1, **more) for i in range(count)]


def pushed(stream: DialogueStream, parts: list[UtterancePart]) -> Estimate:
    """Push all parts; only the last one may give an estimate."""
    estimates = [stream.push(part) for part in parts]
    assert all(estimate is None for estimate in estimates[:-1])
    assert estimates[-1] is not None
    return estimates[-1]


def said(name: str, start: float, text: str, index: int = 0, **more: Any) -> UtterancePart:
    """Return a whole utterance of words only, one second long."""
    settings = {'person_id': 'rachel', 'last': True} | more
    return UtterancePart(name, index, start, start, start + 1, text=text, **settings)


def assert_same(one: Estimate, other: Estimate) -> None:
    np.testing.assert_allclose(one.logits, other.logits, atol=TOLERANCE)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=TOLERANCE)
    np.testing.assert_allclose(one.modality_weights, other.modality_weights, atol=1e-6)
    assert one.modalities == other.modalities
    assert one.calibrated == other.calibrated


def softmax(x: NDArray[Any]) -> NDArray[np.float64]:
    e = np.exp(x.astype(np.float64) - x.max())
    return np.asarray(e / e.sum())


# ---------------------------------------------------------------- whole = streamed = batch


@EVERY_SUBSET
def test_streamed_is_whole_for_any_split(modalities: Modality) -> None:
    recognizer = tiny_recognizer()
    whole = utterance(modalities, 3, samples=1_111, faces=9)  # more than max_images
    expected = recognizer.recognize(whole)
    assert expected.modalities == modalities
    for seed in range(4):
        parts = parts_of(whole, np.random.default_rng(seed))
        assert_same(pushed(DialogueStream(recognizer), parts), expected)


def test_streamed_sample_by_sample_is_whole() -> None:
    recognizer = tiny_recognizer()
    audio = random_audio(300)
    parts = [UtterancePart('u', i, 0, i / 16_000, (i + 1) / 16_000, audio=audio[i:i + 1],
                           last=i == 299) for i in range(300)]
    assert_same(pushed(DialogueStream(recognizer), parts),
                recognizer.recognize(Utterance(audio=audio)))


def test_batch_of_all_subsets_is_each_of_them_alone() -> None:
    """Rows of other lengths and modalities: padding and absence have no effect."""
    recognizer = tiny_recognizer()
    batch = [utterance(m, i, samples=300 + 211 * i, faces=1 + i, text='so ' * (i + 1),
                       history=HISTORY[:i % 3]) for i, m in enumerate(SUBSETS)]
    together = recognizer.recognize_batch(batch)
    assert [e.modalities for e in together] == SUBSETS
    for one, estimate in zip(batch, together):
        assert_same(estimate, recognizer.recognize(one))


@EVERY_SUBSET
def test_batch_of_one_subset_is_each_alone(modalities: Modality) -> None:
    """Here a modality is missing in all rows."""
    recognizer = tiny_recognizer()
    batch = [utterance(modalities, i, samples=300 + 400 * i, faces=1 + 3 * i,
                       text='so ' * (i + 1)) for i in range(3)]
    for one, estimate in zip(batch, recognizer.recognize_batch(batch)):
        assert_same(estimate, recognizer.recognize(one))


def test_permuting_a_batch_permutes_the_answers() -> None:
    recognizer = tiny_recognizer()
    batch = [utterance(m, i, samples=300 + 211 * i, faces=1 + i) for i, m in enumerate(SUBSETS)]
    straight = recognizer.recognize_batch(batch)
    order = [3, 0, 6, 5, 1, 4, 2]
    permuted = recognizer.recognize_batch([batch[i] for i in order])
    for place, i in enumerate(order):
        assert_same(permuted[place], straight[i])


def test_empty_batch_gives_nothing() -> None:
    assert tiny_recognizer().recognize_batch([]) == []


def test_every_subset_gives_another_answer() -> None:
    """Each modality at hand is used: else the tests above would compare constants."""
    recognizer = tiny_recognizer()
    logits = [recognizer.recognize(utterance(m)).logits for m in SUBSETS]
    for i in range(len(SUBSETS)):
        for j in range(i):
            assert np.abs(logits[i] - logits[j]).max() > 100 * TOLERANCE


@pytest.mark.parametrize('modality', MODALITIES)
def test_other_content_gives_another_answer(modality: Modality) -> None:
    recognizer = tiny_recognizer()
    before = recognizer.recognize(utterance(modality, 1)).logits
    after = recognizer.recognize(utterance(modality, 2, text='it was not')).logits
    assert np.abs(before - after).max() > 100 * TOLERANCE


def test_int16_and_float_audio_are_the_same_audio() -> None:
    recognizer, audio = tiny_recognizer(), random_audio(900)
    for dtype in (np.float32, np.float64):
        scaled = audio.astype(dtype) / 32_768
        assert_same(recognizer.recognize(Utterance(audio=scaled)),
                    recognizer.recognize(Utterance(audio=audio)))
    np.testing.assert_array_equal(
        as_float(np.array([-32_768, 0, 16_384], np.int16)), np.float32([-1, 0, 0.5]))


# ---------------------------------------------------------------- determinism


def test_two_runs_are_the_same_to_the_bit() -> None:
    """Two recognisers of the same bundle, the stream as well as the whole and the batch."""
    whole = utterance(ALL, 5, history=HISTORY)
    answers = []
    for _ in range(2):
        recognizer = Recognizer(tiny_bundle())
        torch.manual_seed(torch.seed())  # the state of the generator plays no part
        parts = parts_of(utterance(ALL, 5), np.random.default_rng(1))
        answers.append([recognizer.recognize(whole), pushed(DialogueStream(recognizer), parts),
                        *recognizer.recognize_batch([whole, utterance(Modality.AUDIO)])])
    for one, other in zip(*answers):
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert one.to_dict() == other.to_dict()


def test_utterances_leave_no_trace_in_the_recogniser() -> None:
    recognizer = Recognizer(tiny_bundle())
    first = recognizer.recognize(utterance(ALL, 1)).logits
    recognizer.recognize(utterance(ALL, 2))
    recognizer.warm_up()
    np.testing.assert_array_equal(recognizer.recognize(utterance(ALL, 1)).logits, first)


def test_model_in_training_mode_is_switched_to_inference() -> None:
    bundle = tiny_bundle()
    bundle.model.train()
    assert_same(Recognizer(bundle).recognize(utterance(ALL)),
                tiny_recognizer().recognize(utterance(ALL)))


# ---------------------------------------------------------------- what an estimate says


@EVERY_SUBSET
def test_probabilities_are_of_logits_over_the_subsets_temperature(modalities: Modality) -> None:
    estimate = tiny_recognizer().recognize(utterance(modalities))
    temperature = TEMPERATURES.get(subset_name(modalities), 1.0)
    np.testing.assert_allclose(estimate.probabilities, softmax(estimate.logits / temperature),
                               atol=1e-6)
    assert estimate.probabilities.shape == estimate.logits.shape == (7,)
    assert estimate.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert (estimate.probabilities > 0).all()
    assert estimate.calibrated == (subset_name(modalities) in TEMPERATURES)
    assert estimate.label == EMOTIONS[int(np.argmax(estimate.logits))]
    assert estimate.confidence == pytest.approx(estimate.probabilities.max())


def test_temperature_sharpens_or_flattens_and_keeps_the_logits() -> None:
    """Keys are of the modalities at hand, not of those that the bundle knows."""
    one = utterance(Modality.TEXT | Modality.AUDIO)
    plain = Recognizer(tiny_bundle(temperatures={})).recognize(one)
    sharp = Recognizer(tiny_bundle(temperatures={'text+audio': 0.1, 'text': 9.0})).recognize(one)
    np.testing.assert_array_equal(plain.logits, sharp.logits)
    assert sharp.confidence > plain.confidence
    assert (plain.calibrated, sharp.calibrated) == (False, True)


def test_uncalibrated_bundle_gives_uncalibrated_estimates() -> None:
    estimate = Recognizer(tiny_bundle(calibrated=False)).recognize(utterance(Modality.TEXT))
    assert not estimate.calibrated


@EVERY_SUBSET
def test_modality_weights_are_the_trust_in_what_is_at_hand(modalities: Modality) -> None:
    weights = [t if m in modalities else 0.0 for m, t in zip(MODALITIES, TRUST)]
    estimate = tiny_recognizer().recognize(utterance(modalities))
    np.testing.assert_allclose(estimate.modality_weights, np.array(weights) / sum(weights),
                               atol=1e-6)


def test_trust_decides_how_much_a_modality_counts() -> None:
    """With nearly all trust in text, the answer is nearly that of its embedding alone."""
    model: EmotionModel = tiny_bundle().model
    features = {m: (torch.randn(1, 4, w.width, generator=torch.Generator().manual_seed(m)),
                    torch.ones(1, 4, dtype=torch.bool))
                for m, w in zip(MODALITIES, (model.text, model.audio, model.face))}
    with torch.inference_mode():
        pooled = model.fusion.crossmodal(features)[Modality.TEXT]
        alone = torch.relu(model.fusion.embracenet.docking[0](pooled))
        far = model.fuse(features, torch.tensor([1.0, 1.0, 1.0])).embedding
        near = model.fuse(features, torch.tensor([1e6, 1.0, 1.0])).embedding
    torch.testing.assert_close(near, alone, atol=1e-4, rtol=0)
    assert not torch.allclose(far, alone, atol=1e-2)


def test_valence_and_arousal_are_expected_values() -> None:
    circumplex = tuple((i / 10, -i / 20) for i in range(7))
    estimate = Recognizer(tiny_bundle(circumplex=circumplex)).recognize(utterance(ALL))
    expected = sum(p * i for i, p in enumerate(estimate.probabilities))
    assert estimate.valence == pytest.approx(expected / 10, abs=1e-6)
    assert estimate.arousal == pytest.approx(-expected / 20, abs=1e-6)


def test_estimate_names_its_bundle_and_whether_it_was_trained(
        caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, 'mmer_ros'):
        trained = Recognizer(tiny_bundle()).recognize(utterance(ALL))
        assert not caplog.records
        bundle = tiny_bundle(trained=False, calibrated=False)
        untrained = Recognizer(bundle).recognize(utterance(ALL))
    assert trained.trained and not untrained.trained
    assert (untrained.bundle_name, untrained.bundle_hash) == ('tiny', bundle.content_hash)
    assert 'UNTRAINED' in caplog.text and 'tiny' in caplog.text


# ---------------------------------------------------------------- dialogue


def test_history_changes_what_is_read_into_words() -> None:
    recognizer = tiny_recognizer()
    text = utterance(Modality.TEXT)
    with_history = recognizer.recognize(replace(text, history=HISTORY))
    assert np.abs(with_history.logits - recognizer.recognize(text).logits).max() > TOLERANCE
    audio = utterance(Modality.AUDIO)
    np.testing.assert_array_equal(recognizer.recognize(replace(audio, history=HISTORY)).logits,
                                  recognizer.recognize(audio).logits)


def test_speaker_and_reply_change_what_is_read_into_words() -> None:
    recognizer = tiny_recognizer()
    one = utterance(Modality.TEXT, history=HISTORY)
    logits = [recognizer.recognize(u).logits for u in (
        one, replace(one, speaker='ross'), replace(one, reply=Turn('ross', 'no')))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(logits[a] - logits[b]).max() > TOLERANCE


def test_stream_gives_each_utterance_the_turns_before_it() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    turns = [Turn('ross', 'hi'), Turn('rachel', 'oh, hi'), Turn('ross', 'so')]
    for i, turn in enumerate(turns):
        estimate = stream.push(said(f'u{i}', 10.0 * i, turn.text, person_id=turn.speaker))
        assert estimate is not None
        assert_same(estimate, recognizer.recognize(
            Utterance(text=turn.text, speaker=turn.speaker, history=turns[:i])))


def test_stream_forgets_old_turns_and_those_before_a_reset() -> None:
    alone = tiny_recognizer().recognize(Utterance(text='so', speaker='rachel'))
    for seconds, same in ((119.0, False), (122.0, True)):
        stream = DialogueStream(tiny_recognizer(), history_s=120.0)
        stream.push(said('u0', 0.0, 'hi'))
        estimate = stream.push(said('u1', seconds, 'so'))
        assert estimate is not None
        assert bool(np.allclose(estimate.logits, alone.logits, atol=TOLERANCE)) is same
    stream = DialogueStream(tiny_recognizer())
    stream.push(said('u0', 0.0, 'hi'))
    stream.reset_history()
    estimate = stream.push(said('u1', 3.0, 'so'))
    assert estimate is not None
    assert_same(estimate, alone)


def test_two_streams_know_nothing_of_each_other() -> None:
    one, other = DialogueStream(tiny_recognizer()), DialogueStream(tiny_recognizer())
    one.push(said('u0', 0.0, 'hi'))
    estimate = other.push(said('u0', 3.0, 'so', index=0))
    assert estimate is not None
    assert_same(estimate, tiny_recognizer().recognize(Utterance(text='so', speaker='rachel')))
    assert not other.events


def test_utterances_of_two_persons_may_overlap() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    wholes = [utterance(Modality.AUDIO | Modality.FACE, seed) for seed in (1, 2)]
    rows = [parts_of(w, np.random.default_rng(i), name=f'u{i}') for i, w in enumerate(wholes)]
    estimates = [stream.push(part) for pair in zip(*rows) for part in pair][-2:]
    for estimate, whole in zip(estimates, wholes):
        assert estimate is not None
        assert_same(estimate, recognizer.recognize(whole))
    assert not stream.events


# ---------------------------------------------------------------- what a stream passes on


def test_estimate_tells_whose_it_is_and_when() -> None:
    parts = [
        UtterancePart('u7', 0, 5.0, 5.0, 6.0, audio=random_audio(200), text='how'),
        UtterancePart('u7', 1, 5.0, 6.0, 7.5, audio=random_audio(200), text='so', last=True,
                      faces=(FaceCrop(6.9, 'face_1', random_faces(1)[0]),),
                      person_id='p', face_id='f', voice_id='v')]
    e = pushed(DialogueStream(tiny_recognizer()), parts)
    assert (e.utterance_id, e.start, e.end, e.stamp) == ('u7', 5.0, 7.5, 7.5)
    assert (e.person_id, e.face_id, e.voice_id) == ('p', 'f', 'v')
    assert (e.transcript, e.final, e.revision) == ('how so', True, 0)


def test_stamp_is_of_the_last_evidence_not_of_silence_after_it() -> None:
    """The last part brings words only: the last audio ended at 6 s, the last image was at 6.2."""
    stream = DialogueStream(tiny_recognizer())
    face = FaceCrop(6.2, 'face_1', random_faces(1)[0])
    e = pushed(stream, [
        UtterancePart('u', 0, 5.0, 5.0, 6.0, audio=random_audio(200)),
        UtterancePart('u', 1, 5.0, 6.0, 7.0, faces=(face,)),
        UtterancePart('u', 2, 5.0, 7.0, 8.0, text='so', last=True)])
    assert e.stamp == 6.2


def test_partial_estimates_are_of_what_came_so_far_and_disturb_nothing() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    whole = utterance(ALL, 4)
    parts = parts_of(whole, np.random.default_rng(4))
    compared = 0
    for i, part in enumerate(parts):
        final = stream.push(part)
        heard = np.concatenate([p.audio for p in parts[:i + 1]])
        images = [c.image for p in parts[:i + 1] for c in p.faces]
        words = ' '.join(p.text for p in parts[:i + 1] if p.text)
        if final is None and heard.size:
            partial = stream.partial(part)
            assert partial is not None and not partial.final
            assert_same(partial, recognizer.recognize(Utterance(
                text=words or None, audio=heard, faces=np.stack(images) if images else None)))
            compared += 1
    assert compared > 3
    assert final is not None and final.final
    assert_same(final, recognizer.recognize(whole))


def test_partial_of_an_utterance_that_never_began_is_nothing() -> None:
    assert DialogueStream(tiny_recognizer()).partial(said('u', 0.0, 'so')) is None


# ---------------------------------------------------------------- late words, lost parts


def test_late_words_revise_the_estimate() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    whole = utterance(ALL, 6)
    parts = parts_of(replace(whole, text='how was'), np.random.default_rng(6))
    first = pushed(stream, parts)
    late = UtterancePart('u1', len(parts), 100.0, parts[-1].end, parts[-1].end,
                         text='I to know', last=True, revision=1)
    revised = stream.push(late)
    assert revised is not None
    assert (first.revision, revised.revision, revised.final) == (0, 1, True)
    assert revised.transcript == 'how was I to know'
    assert_same(revised, recognizer.recognize(replace(whole, text='how was I to know')))
    assert np.abs(revised.logits - first.logits).max() > TOLERANCE
    assert revised.stamp == first.stamp
    assert not stream.events


def test_late_words_become_part_of_the_turn_and_not_a_second_one() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    stream.push(said('u0', 0.0, 'how was'))
    stream.push(said('u0', 0.0, 'I to know', index=1, revision=1))
    estimate = stream.push(said('u1', 3.0, 'so'))
    assert estimate is not None
    assert_same(estimate, recognizer.recognize(Utterance(
        text='so', speaker='rachel', history=[Turn('rachel', 'how was I to know')])))


def test_late_words_do_not_make_an_utterance_its_own_history() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    stream.push(said('u0', 0.0, 'hi', person_id='ross'))
    stream.push(said('u1', 3.0, 'oh'))
    revised = stream.push(said('u1', 3.0, 'hi', index=1, revision=1))
    assert revised is not None
    assert_same(revised, recognizer.recognize(Utterance(
        text='oh hi', speaker='rachel', history=[Turn('ross', 'hi')])))


def test_late_words_after_the_next_utterance_keep_the_order_of_turns() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    stream.push(said('u0', 0.0, 'how was', person_id='ross'))
    stream.push(said('u1', 3.0, 'so'))
    stream.push(said('u0', 0.0, 'I to know', index=1, revision=1, person_id='ross'))
    estimate = stream.push(said('u2', 6.0, 'well'))
    assert estimate is not None
    assert_same(estimate, recognizer.recognize(Utterance(
        text='well', speaker='rachel',
        history=[Turn('ross', 'how was I to know'), Turn('rachel', 'so')])))


def test_lost_part_is_told_and_the_rest_is_used() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    parts = parts_of(utterance(Modality.AUDIO, 7), np.random.default_rng(7))
    estimate = pushed(stream, parts[:2] + parts[5:])
    (event,) = stream.events
    assert (event.kind, event.stamp) == ('part_lost', parts[5].end)
    assert 'u1' in event.text and 'part 5' in event.text and '2 was expected' in event.text
    heard = np.concatenate([p.audio for p in parts[:2] + parts[5:]])
    assert_same(estimate, recognizer.recognize(Utterance(audio=heard)))


def test_lost_beginning_is_told() -> None:
    stream = DialogueStream(tiny_recognizer())
    assert stream.push(said('u', 0.0, 'so', index=3)) is not None
    assert [e.kind for e in stream.events] == ['part_lost']
    assert 'part 3' in stream.events[0].text


def test_complete_parts_raise_no_event() -> None:
    stream = DialogueStream(tiny_recognizer())
    pushed(stream, parts_of(utterance(ALL), np.random.default_rng(0)))
    assert stream.events == []


def test_utterance_of_nothing_gives_no_estimate_and_says_so() -> None:
    stream = DialogueStream(tiny_recognizer())
    assert stream.push(UtterancePart('u', 0, 1.0, 1.0, 2.0)) is None
    assert not stream.events
    assert stream.push(UtterancePart('u', 1, 1.0, 2.0, 3.0, last=True)) is None
    assert [(e.kind, e.stamp) for e in stream.events] == [('nothing_to_estimate', 3.0)]
    assert stream.push(said('u1', 4.0, 'so')) is not None


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize('nothing', [
    Utterance(), Utterance(text=''), Utterance(audio=np.zeros(0, np.int16)),
    Utterance(faces=np.zeros((0, 160, 160, 3), np.uint8)), Utterance(history=HISTORY)])
def test_utterance_without_any_modality_is_refused(nothing: Utterance) -> None:
    recognizer = tiny_recognizer()
    for attempt in (lambda: recognizer.recognize(nothing),
                    lambda: recognizer.recognize_batch([nothing]),
                    lambda: recognizer.recognize_batch([utterance(ALL), nothing])):
        with pytest.raises(InvalidInput, match='no text, no audio and no face'):
            attempt()


@pytest.mark.parametrize('audio', [
    np.zeros(100, np.int32), np.zeros(100, np.uint8), np.full(100, np.nan, np.float32),
    np.full(100, np.inf)])
def test_audio_of_other_types_is_refused(audio: NDArray[Any]) -> None:
    with pytest.raises(InvalidInput, match=f'{audio.dtype}.*expected int16'):
        tiny_recognizer().recognize(Utterance(audio=audio))


@pytest.mark.parametrize('device', ['cuda:7', 'banana', 'cpu:cuda', ''])
def test_device_that_does_not_exist_is_named(device: str) -> None:
    for attempt in (lambda: check_device(device), lambda: Recognizer(tiny_bundle(), device),
                    lambda: Recognizer.load('no_such_bundle_is_read', device=device)):
        with pytest.raises(InvalidInput, match=f"device '{device}'.*there is cpu"):
            attempt()


def test_device_without_storage_is_refused() -> None:
    """Torch has devices on which nothing can be computed."""
    with pytest.raises(InvalidInput, match="device 'meta'"):
        check_device('meta')


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_gpu_gives_what_the_cpu_gives() -> None:
    whole = utterance(ALL, 8, history=HISTORY)
    on_gpu = Recognizer(tiny_bundle(), 'cuda')
    expected = tiny_recognizer().recognize(whole).logits
    np.testing.assert_allclose(on_gpu.recognize(whole).logits, expected, atol=1e-2)
    np.testing.assert_allclose(on_gpu.recognize_batch([whole])[0].logits, expected, atol=1e-2)


# ---------------------------------------------------------------- who speaks


def test_a_face_that_takes_over_is_all_that_was_seen() -> None:
    """The first parts show somebody who did not speak; the switch brings the speaker's crops."""
    recognizer = tiny_recognizer()
    audio, mine, other = random_audio(600), random_faces(6, 1), random_faces(3, 2)
    stream = DialogueStream(recognizer)
    seen = [(crops(other), 'a'), (crops(mine[:4]), 'b'), (crops(mine[4:]), 'b')]
    parts = [UtterancePart('u', i, 0, i, i + 1, audio=audio[200 * i:200 * (i + 1)], faces=faces,
                           face_id=name, last=i == 2, speaker_by='mouth', speaker_margin=0.25)
             for i, (faces, name) in enumerate(seen)]
    estimate = pushed(stream, parts)
    assert_same(estimate, recognizer.recognize(Utterance(audio=audio, faces=mine)))
    assert (estimate.face_id, estimate.speaker_by, estimate.speaker_margin) == ('b', 'mouth', 0.25)
    assert estimate.to_dict()['speaker_by'] == 'mouth'


def test_the_turns_of_two_faces_and_of_an_unseen_person_are_told_apart() -> None:
    recognizer = tiny_recognizer()
    stream = DialogueStream(recognizer)
    turns = [('face1', 'how are you'), ('face2', 'fine'), ('', 'me too'), ('face1', 'good'),
             ('', 'so am I')]
    for i, (face, text) in enumerate(turns):
        part = said(f'u{i}', 100.0 + 2 * i, text, person_id='', face_id=face)
        estimate = stream.push(part)
        assert estimate is not None
        history = [Turn(*turn) for turn in turns[:i]]
        assert_same(estimate, recognizer.recognize(
            Utterance(text=text, speaker=face, history=history)))
        if i:
            confused = [Turn('face1', text) for _, text in turns[:i]]
            other = recognizer.recognize(Utterance(text=text, speaker='face1', history=confused))
            assert np.abs(estimate.logits - other.logits).max() > TOLERANCE


def test_a_named_voice_counts_more_than_the_face_that_seemed_to_speak() -> None:
    recognizer = tiny_recognizer()
    stream = DialogueStream(recognizer)
    stream.push(said('u0', 100.0, 'hello', person_id='', face_id='face1', voice_id='tom'))
    estimate = stream.push(said('u1', 102.0, 'it is me', person_id='', face_id='face2',
                                voice_id='tom'))
    assert estimate is not None
    assert_same(estimate, recognizer.recognize(
        Utterance(text='it is me', speaker='tom', history=[Turn('tom', 'hello')])))
