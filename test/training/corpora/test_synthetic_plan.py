# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The plan of the synthetic corpus: words, what is shown, and what can be reached."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from mmer_ros.types import EMOTIONS
import numpy as np
from pydantic import ValidationError
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from training.corpora.synthetic.ceilings import ceilings, context_ceilings, emission
from training.corpora.synthetic.lexicon import CUES, EXCLAMATIONS, IDIOMS, REACTIONS
from training.corpora.synthetic.plan import (
    Clip,
    CorpusConfig,
    MELD_COUNTS,
    NEUTRAL,
    plan,
    SHOWN_IN,
)

CHANCE = 1 / len(EMOTIONS)


@pytest.fixture(scope='module')
def config() -> CorpusConfig:
    """No remarks: a remark tells of the turn before, whatever its own turn shows."""
    return CorpusConfig(dialogues=(300, 60, 1), reaction=0.0)


@pytest.fixture(scope='module')
def clips(config: CorpusConfig) -> list[Clip]:
    return plan(config)


def test_a_plan_is_the_same_each_time_and_a_dialogue_whatever_else_there_is() -> None:
    small, large = CorpusConfig(dialogues=(2, 1, 1)), CorpusConfig(dialogues=(4, 2, 1))

    def written(config: CorpusConfig) -> dict[str, tuple[object, ...]]:
        return {c.key: (c.text, c.speaker, c.emotion, c.shown, c.start, c.score.duration)
                for c in plan(config)}

    assert written(small) == written(small)
    assert written(small).items() <= written(large).items()
    other = written(small.model_copy(update={'seed': 1}))
    assert all(other[key] != facts for key, facts in written(small).items() if key in other)


def test_each_modality_shows_what_the_config_says(config: CorpusConfig, clips: list[Clip]
                                                  ) -> None:
    """Counts of (true, shown) lie within four deviations of a binomial variable."""
    for modality in range(len(SHOWN_IN)):
        expected = emission(config, modality)
        assert np.allclose(expected.sum(1), 1)
        for emotion in range(len(EMOTIONS)):
            shown = Counter(c.shown[modality] for c in clips if c.emotion == emotion)
            total = sum(shown.values())
            for seen, p in enumerate(expected[emotion]):
                assert abs(shown[seen] / total - p) < 4 * np.sqrt(p * (1 - p) / total) + 1e-9


def test_modalities_fail_independently(clips: list[Clip]) -> None:
    shown = np.array([[s == c.emotion for s in c.shown] for c in clips if c.emotion != NEUTRAL])
    assert np.abs(np.corrcoef(shown.T) - np.eye(3)).max() < 4 / np.sqrt(len(shown))


def test_classes_follow_the_config(clips: list[Clip]) -> None:
    """Emotions persist, so that clips are not independent: the bounds are wide."""
    uniform = np.bincount([c.emotion for c in clips], minlength=7) / len(clips)
    assert np.abs(uniform - CHANCE).max() < 0.04
    meld = [c.emotion for c in plan(CorpusConfig(dialogues=(200, 1, 1), classes='meld'))]
    wanted = np.array(MELD_COUNTS) / sum(MELD_COUNTS)
    assert np.abs(np.bincount(meld, minlength=7) / len(meld) - wanted).max() < 0.05


def test_emotions_persist_in_a_dialogue_and_nobody_answers_himself(config: CorpusConfig,
                                                                   clips: list[Clip]) -> None:
    dialogues = [list(d) for _, d in groupby(clips, lambda c: (c.split, c.dialogue))]
    pairs = [pair for d in dialogues for pair in zip(d, d[1:])]
    kept = np.mean([a.emotion == b.emotion for a, b in pairs])
    assert kept == pytest.approx(config.persistence + (1 - config.persistence) * CHANCE, abs=0.05)
    assert all(a.speaker.name != b.speaker.name for a, b in pairs)
    assert all(a.start + a.score.duration < b.start for a, b in pairs)
    assert all(0.8 < c.score.duration < 5 for c in clips)


def test_cues_of_different_emotions_never_meet() -> None:
    for table in (CUES, EXCLAMATIONS, IDIOMS, REACTIONS):
        phrases = [phrase for words in table.values() for phrase in words]
        assert len(phrases) == len(set(phrases))


def test_a_turn_remarks_on_the_emotion_before() -> None:
    clips = plan(CorpusConfig(dialogues=(30, 1, 1), reaction=1.0))
    for before, clip in zip(clips, clips[1:]):
        if clip.turn:
            assert clip.text.startswith(REACTIONS[EMOTIONS[before.emotion]])
    assert not any(clip.text.startswith(REACTIONS['sadness']) for clip in clips if not clip.turn)


def test_the_words_are_many_and_no_sentence_is_common(clips: list[Clip]) -> None:
    sentences = Counter(clip.text for clip in clips)
    assert len({word for text in sentences for word in text.lower().split()}) > 400
    assert max(sentences.values()) < 0.02 * len(clips)
    assert all(text[0].isupper() and text[-1] in '.!?' and '{' not in text for text in sentences)


def test_words_carry_the_emotion_that_they_show_and_else_nothing(clips: list[Clip]) -> None:
    """A bag of words finds nearly all that is shown; texts marked neutral tell nothing."""
    def learn(train: list[Clip], dev: list[Clip]) -> float:
        model = make_pipeline(CountVectorizer(), LogisticRegression(C=10, max_iter=500))
        model.fit([c.text for c in train], [c.emotion for c in train])
        return float(model.score([c.text for c in dev], [c.emotion for c in dev]))

    train = [c for c in clips if c.split == 'train']
    dev = [c for c in clips if c.split == 'dev']
    assert learn([c for c in train if 'text' in c.carries],
                 [c for c in dev if 'text' in c.carries]) > 0.9
    silent = [c for c in clips if c.shown[0] == NEUTRAL and c.emotion != NEUTRAL]
    half = len(silent) // 2
    assert learn(silent[:half], silent[half:]) < 1 / 6 + 4 * np.sqrt(1 / 6 * 5 / 6 / half)


# ------------------------------------------------------------------------------ ceilings


def test_fusion_can_beat_each_modality_by_far() -> None:
    for config in (CorpusConfig(), CorpusConfig(conflict=0.1), CorpusConfig(clear=(.5, .6, .55))):
        found = ceilings(config)
        single = max(found[name].accuracy for name in SHOWN_IN)
        pair = max(c.accuracy for name, c in found.items() if name.count('+') == 1)
        assert single < pair < found['text+audio+face'].accuracy
        assert found['text+audio+face'].accuracy > single + 0.15
        assert found['text+audio+face'].weighted_f1 > 0.15 + max(
            found[name].weighted_f1 for name in SHOWN_IN)


def test_ceilings_of_one_modality_are_as_counted_by_hand() -> None:
    """Neutral clips look neutral unless in conflict; all others are known with p = clear."""
    config = CorpusConfig(clear=(0.6, 0.5, 0.7), conflict=0.05)
    for name, clear in zip(SHOWN_IN, config.clear):
        assert ceilings(config)[name].accuracy == pytest.approx((0.95 + 6 * clear) / 7)
    certain = ceilings(CorpusConfig(clear=(1.0, 0.0, 0.0), conflict=0.0))
    assert certain['text'].accuracy == pytest.approx(1)
    assert certain['text'].weighted_f1 == pytest.approx(1)
    assert certain['audio+face'].accuracy == pytest.approx(CHANCE)


def test_the_best_rule_reaches_the_ceiling_on_a_plan(config: CorpusConfig, clips: list[Clip]
                                                     ) -> None:
    """Bayes by three lines of products, on what the clips show."""
    shown = np.array([c.shown for c in clips])
    likelihood = np.prod([emission(config, m)[:, shown[:, m]] for m in range(3)], axis=0)
    hits = likelihood.argmax(0) == [c.emotion for c in clips]
    expected = ceilings(config)['text+audio+face'].accuracy
    assert hits.mean() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(clips)))


def test_the_dialogue_adds_something() -> None:
    config = CorpusConfig()
    alone, context = ceilings(config), context_ceilings(config, dialogues=3000)
    for name in ('text', 'text+audio+face'):
        history, reply = context[f'{name}, history'], context[f'{name}, history and reply']
        assert alone[name].accuracy < history.accuracy < reply.accuracy
    lone = CorpusConfig(persistence=0.0, reaction=0.0)
    context = context_ceilings(lone, dialogues=3000)
    assert context['text, history and reply'].accuracy == pytest.approx(
        ceilings(lone)['text'].accuracy, abs=0.015)


# -------------------------------------------------------------------------------- config


@pytest.mark.parametrize('wrong', [
    {'clear': (0.6, 0.6, 0.99)}, {'dialogues': (1, 0, 1)}, {'turns': (5, 3)}, {'people': 1},
    {'classes': 'many'}, {'unknown': 1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CorpusConfig.model_validate(wrong)


def test_quirks_take_their_modalities_away() -> None:
    clips = plan(CorpusConfig(dialogues=(8, 2, 1), quirks=True, clear=(1, 1, 1), conflict=0))
    carried = {c.quirk: set(c.carries) for c in clips if c.split == 'train'}
    assert carried == {'': {'text', 'audio', 'face'}, 'corrupt': {'text'}, 'missing': {'text'},
                       'no audio': {'text', 'face'}, 'no face': {'text', 'audio'}}
    assert [c.quirk for c in clips if c.split == 'dev' and c.quirk] == ['missing']
