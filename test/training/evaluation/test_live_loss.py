# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the live path loses: a dialogue as recorded and replayed beside the offline answers."""

from __future__ import annotations

from collections.abc import Iterable
import json
from pathlib import Path

from mmer_ros.evaluation.labels import Label
from mmer_ros.evaluation.utterances import evaluate
from mmer_ros.networks.audio_encoder import AudioEncoderConfig
from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.face_encoder import FaceEncoderConfig
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.text_encoder import byte_tokenizer, TextEncoderConfig
from mmer_ros.recognition.bundle import Bundle, BundleConfig
from mmer_ros.replay.result import ReplayResult
from mmer_ros.types import InvalidInput, Modality
import numpy as np
import pytest
from scipy.special import softmax
import torch
from training.__main__ import main
from training.evaluation.live.faces import largest_between
from training.evaluation.live.loss import LiveLoss
from training.evaluation.live.path import cut_of, LiveDialogue, LiveUtterance, swapped
from training.evaluation.live.steps import ALONE, Cut, LIVE, OFFLINE, STEPS

from ...fixtures.stream import crop

SMALL = ModelConfig(
    text=TextEncoderConfig(vocab_size=300, n_embd=16, n_layer=1, n_head=2, history_turns=2),
    audio=AudioEncoderConfig(
        n_fft=512, win_length=400, n_freq=16, n_rnn=16, n_res_block=2, n_hidden=8, n_output=8,
        samples_per_step=40, upsample_scales=(5,), classifier_hidden=8),
    face=FaceEncoderConfig(backbone='compact', width=4, hidden=16, max_images=50),
    fusion=FusionConfig(width=32, heads=4, embracement_size=24))
NAMES = [step.name for step in (*STEPS, *ALONE)]


def sharp_bundle(folder: Path) -> None:
    """Save a bundle of random weights whose answers differ from input to input."""
    torch.manual_seed(3)
    model = EmotionModel(SMALL).eval()
    with torch.no_grad():
        model.fusion.classifier.weight.mul_(20)
    config = BundleConfig(name='small', model=SMALL, trained=True, calibrated=True,
                          temperatures={'text+audio+face': 1.7})
    Bundle.create(config, model, byte_tokenizer(), 'for a test').save(folder)


@pytest.fixture(scope='module')
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a corpus of few clips and measure the loss on its dev split."""
    folder = tmp_path_factory.mktemp('live')
    sharp_bundle(folder / 'bundle')
    commands = [
        ['synth', 'corpus', '--dialogues', '1', '1', '1', '--turns', '2', '2', '--jobs', '1'],
        ['prepare', '--meld', 'corpus', '--output', 'cache', '--jobs', '1'],
        ['live', 'bundle', '--meld', 'corpus', '--data', 'cache', '--split', 'dev', '--output',
         'out', '--gap', '0.8']]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            assert main(command) == 0, command
    return folder


@pytest.fixture(scope='module')
def measured(work: Path) -> LiveDialogue:
    """Return the answers."""
    text = (work / 'out' / 'dialogues' / 'dev_dia0.json').read_text()
    return LiveDialogue.model_validate_json(text)


def test_the_last_step_is_what_the_replay_said(work: Path, measured: LiveDialogue) -> None:
    replayed = ReplayResult.load(work / 'out' / 'replays' / 'dev_dia0')
    assert replayed.evaluation is not None
    pairs = replayed.evaluation.pairs
    assert len(pairs) == len(measured.utterances) == 2
    for pair, utterance in zip(pairs, measured.utterances):
        np.testing.assert_allclose(softmax(utterance.logits[LIVE]),
                                   list(pair['probabilities'].values()), atol=1e-5)
        assert utterance.live == '+'.join(pair['modalities']) == 'text+audio+face'
        assert utterance.start_error == pytest.approx(pair['start_error'])
        assert utterance.key.startswith('dev/dia0_utt') and utterance.said


def test_each_step_changes_what_it_says(measured: LiveDialogue) -> None:
    assert measured.left_out == 0 and list(measured.utterances[0].logits) == NAMES
    gap = {after: max(np.abs(np.subtract(u.logits[before], u.logits[after])).max()
                      for u in measured.utterances)
           for before, after in zip(NAMES, NAMES[1:len(STEPS)])}
    assert gap['images'] > 1e-3 and gap['audio cut'] > 1e-3
    assert gap['words'] < 1e-3, 'they are those of the corpus'
    assert gap['face choice'] < 1e-3, 'there is but one in each image'
    alone = [np.abs(np.subtract(u.logits[OFFLINE], u.logits['audio alone'])).max()
             for u in measured.utterances]
    assert min(alone) > 1e-3


def test_a_second_run_reads_what_is_there(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    summary = Path('out/replays/dev_dia0/summary.json')
    times = [p.stat().st_mtime_ns for p in (summary, Path('out/bags/dev_dia0/labels.csv'))]
    command = ['live', 'bundle', '--meld', 'corpus', '--data', 'cache', '--output', 'out']
    assert main([*command, '--gap', '0.8']) == 0
    assert times == [p.stat().st_mtime_ns for p in (summary, Path('out/bags/dev_dia0/labels.csv'))]
    written = json.loads(Path('out/live.json').read_text())
    assert written['data'] == 'corpus dev' and written['recordings']['gap_s'] == 0.8
    assert written['clips'] == written['answered'] == 2
    page = Path('out/live.md').read_text()
    assert '| live less offline |' in page.replace('**', '') and 'From offline to live' in page
    assert main([*command, '--dialogues', '0']) == 2


# ------------------------------------------------------------------ figures on made-up answers


def answers(key: int, label: int, classes: Iterable[int], cut: Cut = 'whole', **more: object
            ) -> LiveUtterance:
    """Return a clip with an answer for each step; with one answer, the offline one."""
    logits = {name: [5.0 * (i == answer) for i in range(7)]
              for name, answer in zip(NAMES, classes)}
    return LiveUtterance(key=f'dev/dia0_utt{key}', label=label, cut=cut, logits=logits,
                         **{'offline': 'text+audio+face', 'live': 'text+audio', **more})


def loss_of(*utterances: LiveUtterance) -> LiveLoss:
    return LiveLoss([LiveDialogue(fingerprint='', utterances=utterances, spurious=2, left_out=1)])


@pytest.fixture
def loss() -> LiveLoss:
    """
    Return four clips with an answer and one without.

    The first is lost with the audio cut, the second with the history, the third is won by
    the words, the fourth is always wrong; the fifth is right offline and nobody heard it.
    """
    return loss_of(
        answers(0, 1, [1, 1, 2, 2, 2, 2, 2, 2, 1, 1]), answers(1, 2, [2] * 6 + [3, 2, 2, 3]),
        answers(2, 3, [0] * 5 + [3, 3, 0, 0, 3], 'split', said=True, revised=True),
        answers(3, 4, [5] * 10, 'merged', start_error=0.5), answers(4, 6, [6], 'missed'))


def test_the_changes_of_the_steps_add_up_to_the_loss(loss: LiveLoss) -> None:
    steps = {step.name: step for step in loss.steps()}
    accuracy = {name: step.figures['accuracy'].value for name, step in steps.items()}
    assert accuracy == {OFFLINE: .5, 'images': .5, 'audio cut': .25, 'face cut': .25,
                        'face choice': .25, 'words': .5, LIVE: .25}
    for figure in ('accuracy', 'weighted_f1'):
        changes = [step.changes[figure].value for step in loss.steps() if step.changes]
        total = steps[LIVE].totals
        assert total is not None and len(changes) == 6
        assert sum(changes) == pytest.approx(total[figure].value)
        assert total[figure].low <= total[figure].value <= total[figure].high
    alone = {step.name: step.totals['accuracy'].value for step in loss.alone() if step.totals}
    assert alone == {'audio alone': -.25, 'face alone': 0.0, 'text alone': 0.0}


def test_a_clip_without_an_answer_is_wrong(loss: LiveLoss) -> None:
    assert loss.everything(OFFLINE)['accuracy'] == pytest.approx(3 / 5)
    assert loss.everything(LIVE)['accuracy'] == pytest.approx(1 / 5)
    # Of five classes with one clip each only class 3 is answered rightly, once of two times.
    assert loss.everything(LIVE)['weighted_f1'] == pytest.approx((2 * .5 / 1.5) / 5)


def test_cuts_and_causes_are_counted(loss: LiveLoss) -> None:
    assert [(c.cut, c.count, c.offline, c.live) for c in loss.cuts()] == [
        ('whole', 2, 1.0, 0.0), ('split', 1, 0.0, 1.0), ('merged', 1, 0.0, 0.0),
        ('missed', 1, 1.0, None)]
    causes = loss.causes()
    assert causes['words as they were said'] == 1 and causes['no words'] == 0
    assert causes['other words than were said'] == 3
    assert causes['no face, although offline there is one'] == 4
    assert causes['right offline, wrong live'] == 2
    assert causes['wrong offline, right live'] == 1
    assert loss.boundaries()['start'] == pytest.approx(
        {'mean': .125, 'mean_abs': .125, 'p95_abs': .425})
    assert (loss.spurious, loss.left_out) == (2, 1)


def test_without_any_estimate_there_is_nothing_to_compare() -> None:
    with pytest.raises(InvalidInput, match='none of the labelled clips'):
        loss_of(answers(0, 1, [1], 'missed'))


def test_what_became_of_a_clip_is_told_by_the_matching() -> None:
    labels = [Label(0, 2, 0), Label(4, 8, 0), Label(10, 12, 0), Label(12.5, 14, 0),
              Label(20, 21, 0)]
    spans = [(0, 2), (4, 5.9), (6.2, 8), (10, 14)]
    rows = [{'utterance_id': str(i), 'start': a, 'end': b, 'final': True, 'revision': 0,
             'published': b} for i, (a, b) in enumerate(spans)]
    evaluation = evaluate(labels, rows)
    assert [cut_of(evaluation, i) for i in range(5)] == [
        'whole', 'split', 'merged', 'swallowed', 'missed']


def test_a_modality_is_taken_from_elsewhere_or_is_missing_there() -> None:
    one, two = torch.ones(1, 2), torch.zeros(3, 2)
    here = {Modality.TEXT: one, Modality.FACE: one}
    assert swapped(here, Modality.FACE, {Modality.FACE: two})[Modality.FACE] is two
    assert set(swapped(here, Modality.FACE, {})) == {Modality.TEXT}
    assert set(swapped(here, Modality.AUDIO, {Modality.AUDIO: two})) == {
        Modality.TEXT, Modality.AUDIO, Modality.FACE}
    assert here[Modality.FACE] is one, 'the values themselves stay as they are'


def test_the_largest_face_of_a_time_is_taken() -> None:
    crops = [crop(1.0, 'a', 80), crop(1.0, 'b', 100), crop(1.2, 'a', 80), crop(1.4, 'a', 80)]
    inside = largest_between(crops, 1.0, 1.2)
    assert inside is not None
    np.testing.assert_array_equal(inside, [crops[1].image])
    both = largest_between(crops, 1.0, 1.4)  # in all, a covers more
    assert both is not None
    np.testing.assert_array_equal(both, [crops[0].image, crops[2].image])
    assert largest_between(crops, 2.0, 3.0) is None
