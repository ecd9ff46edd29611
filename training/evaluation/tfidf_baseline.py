# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The baseline of the text encoder: TF-IDF and logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from training.corpora.examples import Example
from training.encoders.text.tfidf import ITERATIONS, tfidf_features
from training.engine.predictions import Predictions

STRENGTHS = (1.0, 3.0, 10.0)  # C, the inverse of the regularisation
FOLDS = 5
WORD = r"\w[\w']*|[^\w\s]"  # or a punctuation mark, such as ! and ?
NAME = 'TF-IDF + logistic regression'


def tfidf_baseline(train: Sequence[Example], evaluated: Sequence[Example], *,
                   strengths: Sequence[float] = STRENGTHS, folds: int = FOLDS,
                   min_count: int = 2, quiet: bool = False) -> Predictions:
    """
    Fit the baseline and return its predictions from the sentence alone, without history.

    Features are words (1-2) and characters within words (2-5) with logarithmic counts, the model
    is multinomial logistic regression. C has the best weighted F1 in cross-validation over the
    groups (dialogues) of the training examples.

    :param train, evaluated: of both, examples with exactly one label are used.
    :param strengths: values of C to choose from.
    :param min_count: texts in which a feature must occur.
    :param quiet: show no progress.
    :return: logits are log-probabilities; -30 for classes without training examples.
    :raises InvalidInput: if there is no example to train or evaluate on, or a single emotion.
    """
    train, evaluated = _usable(train, 'train'), _usable(evaluated, 'evaluated')
    labels = _labels(train)
    if len(set(labels.tolist())) < 2:
        raise InvalidInput('baseline: all training examples have the same emotion; '
                           'expected at least two')
    strength = choose_strength(train, strengths, folds, min_count, quiet)
    model = _model(strength, min_count)
    model.fit([e.text for e in train], labels)
    logits = np.full((len(evaluated), len(EMOTIONS)), -np.inf)
    logits[:, model.classes_] = model.predict_log_proba([e.text for e in evaluated])
    return Predictions(f'{NAME} (C = {strength:g})', [e.key for e in evaluated],
                       _labels(evaluated), np.maximum(logits, -30).astype(np.float32))


def choose_strength(train: Sequence[Example], strengths: Sequence[float] = STRENGTHS,
                    folds: int = FOLDS, min_count: int = 2, quiet: bool = False) -> float:
    """Return the C with the best mean weighted F1 over folds of groups."""
    groups = [e.group or e.key for e in train]
    folds = min(folds, len(set(groups)))
    if len(strengths) == 1 or folds < 2:
        return strengths[0]
    texts, labels = np.array([e.text for e in train], object), _labels(train)
    scores = np.zeros(len(strengths))
    splits = [(learnt, left_out) for learnt, left_out in
              GroupKFold(folds).split(texts, labels, groups) if len(set(labels[learnt])) > 1]
    for learnt, left_out in track(splits, 'baseline: choosing C', disable=quiet):
        features = _features(min_count)
        inside = features.fit_transform(texts[learnt])
        outside = features.transform(texts[left_out])
        classifier = _classifier(strengths[0])
        for index, strength in enumerate(strengths):  # warm start
            classifier.set_params(C=strength).fit(inside, labels[learnt])
            scores[index] += f1_score(labels[left_out], classifier.predict(outside),
                                      average='weighted', zero_division=0)
    return float(strengths[int(scores.argmax())])


def _model(strength: float, min_count: int) -> Any:
    return Pipeline([('features', _features(min_count)), ('classifier', _classifier(strength))])


def _features(min_count: int) -> Any:
    return tfidf_features(WORD, least_words=min_count, least_characters=min_count,
                          dtype=np.float32)


def _classifier(strength: float) -> Any:
    return LogisticRegression(C=strength, max_iter=ITERATIONS, warm_start=True)


def _usable(examples: Sequence[Example], which: str) -> list[Example]:
    usable = [e for e in examples if e.text and len(e.labels) == 1]
    if not usable:
        raise InvalidInput(f'baseline: none of the {len(examples)} examples {which} has a text '
                           'and exactly one label; expected some')
    return usable


def _labels(examples: Sequence[Example]) -> NDArray[np.int64]:
    return np.array([e.labels[0] for e in examples], np.int64)
