# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A linear teacher of the text encoder: its soft targets also cover unlabelled sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import safetensors.numpy
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, GroupKFold
from sklearn.pipeline import FeatureUnion
from training.corpora.examples import Example, TRAIN
from training.encoders.text.tfidf import ITERATIONS, tfidf_features
from training.engine.config import Settings
from training.engine.files import write_file
from training.engine.losses import class_counts
from training.engine.progress import Reporter

Matrix = Any  # scipy.sparse, which is not typed
Probabilities = NDArray[np.float32]  # (N, 7)
SoftTargets = Mapping[str, Probabilities]  # (7,) by key
LOG_SCALE = 0.3  # of log-probabilities beside TF-IDF columns
CONTEXT_TURNS = 3
WORD = r'\b\w+\b|[!?.]+'


class LinearTeacherConfig(Settings):
    """
    TF-IDF and logistic regression, stacked.

    A model of each extra corpus predicts emotions, which are columns beside TF-IDF for the model
    of the main corpus; so are the predictions for the turns before. The soft targets of the main
    corpus are cross-validated by dialogue.

    :param regularisation: C of the logistic regressions.
    :param prior_exponent: the targets are divided by the class shares of the main corpus to this
        power, as fits `logit_adjusted` of the same strength.
    """

    regularisation: float = Field(1.5, gt=0)
    folds: int = Field(5, ge=2)
    prior_exponent: float = Field(0.0, ge=0, le=1)


def linear_targets(config: LinearTeacherConfig, main: Sequence[Example],
                   extra: Sequence[Sequence[Example]], path: Path, reporter: Reporter
                   ) -> SoftTargets:
    """
    Return soft targets for all training examples with text.

    :param extra: further corpora; unlabelled ones only get targets.
    :param path: file that keeps the predictions for a resumed run.
    """
    keys = [e.key for corpus in (main, *extra) for e in learnable(corpus)]
    if not path.is_file():
        with reporter.console.status('teacher: TF-IDF and logistic regressions'):
            predictions = _Stacked(config, main, extra).predict()
        write_file(path, safetensors.numpy.save({'answers': predictions}))
    targets: Probabilities = safetensors.numpy.load_file(path)['answers']
    targets = without_prior(targets, learnable(main), config.prior_exponent)
    return dict(zip(keys, targets, strict=True))


def without_prior(targets: Probabilities, examples: Sequence[Example], exponent: float
                  ) -> Probabilities:
    """Return distributions (N, 7) divided by the examples' class shares to a power."""
    counts = np.array(class_counts([e.labels for e in examples])).clip(1)
    result: Probabilities = targets * ((counts / counts.sum()) ** -exponent).astype(np.float32)
    result /= result.sum(axis=1, keepdims=True)
    return result


def learnable(corpus: Sequence[Example]) -> list[Example]:
    """Return the training examples with text."""
    return [e for e in corpus if e.split == TRAIN and e.text]


class _Stacked:
    """The models of one training."""

    def __init__(self, config: LinearTeacherConfig, main: Sequence[Example],
                 extra: Sequence[Sequence[Example]]) -> None:
        self.config = config
        self.main = learnable(main)
        self.extra = [learnable(corpus) for corpus in extra]
        self.labelled = np.array([bool(e.labels) for e in self.main])
        self.labels = np.array([e.labels[0] if e.labels else -1 for e in self.main])

    def predict(self) -> Probabilities:
        """Return predictions for the main corpus, then for each extra one."""
        texts = [[e.text for e in corpus] for corpus in (self.main, *self.extra)]
        opinions = self._predictions_of_extra(texts)
        vectors = _features().fit([t for t, known in zip(texts[0], self.labelled) if known])
        columns = [sparse.hstack([vectors.transform(t), *o]).tocsr()
                   for t, o in zip(texts, opinions)]
        groups = [e.group or e.key for e in self.main]
        first = self._cross_validated(columns[0], groups)
        context = sparse.csr_matrix(context_columns(self.main, first) * LOG_SCALE)
        second = self._cross_validated(sparse.hstack([columns[0], context]).tocsr(), groups)
        alone = self._model().fit(columns[0][self.labelled], self.labels[self.labelled])
        others = [_all_classes(alone, column) for column in columns[1:]]
        return np.concatenate([second, *others]).astype(np.float32)

    def _predictions_of_extra(self, texts: Sequence[Sequence[str]]) -> list[list[Matrix]]:
        """Return for each corpus the columns with the predictions of the extra models."""
        result: list[list[Matrix]] = [[] for _ in texts]
        for corpus in self.extra:
            known = [e for e in corpus if e.labels]
            if not known:
                continue
            vectors = _features()
            model = self._model().fit(vectors.fit_transform([e.text for e in known]),
                                      [e.labels[0] for e in known])
            for columns, rows in zip(result, texts):
                found = _all_classes(model, vectors.transform(rows))
                columns.append(sparse.csr_matrix(np.log(found + 1e-6) * LOG_SCALE))
        return result

    def _cross_validated(self, columns: Matrix, groups: Sequence[str]) -> Probabilities:
        known = self.labelled
        model = self._model().fit(columns[known], self.labels[known])
        found = _all_classes(model, columns)
        folds = GroupKFold(min(self.config.folds, len(set(groups))))
        held_out = cross_val_predict(
            self._model(), columns[known], self.labels[known], cv=folds,
            groups=np.array(groups)[known], method='predict_proba')
        found[np.ix_(known, np.unique(self.labels[known]))] = held_out
        return found

    def _model(self) -> LogisticRegression:
        return LogisticRegression(C=self.config.regularisation, max_iter=ITERATIONS, tol=1e-3)


def context_columns(examples: Sequence[Example], predictions: Probabilities) -> Probabilities:
    """
    Return columns about the turns before each example, zeros where there are none.

    :return: (N, 8 CONTEXT_TURNS): log-predictions and whether the speaker is the same.
    """
    place = {(e.group, e.turn): i for i, e in enumerate(examples) if e.group}
    result = np.zeros((len(examples), CONTEXT_TURNS, len(EMOTIONS) + 1), np.float32)
    for i, example in enumerate(examples):
        for back in range(CONTEXT_TURNS):
            j = place.get((example.group, example.turn - 1 - back))
            if j is not None:
                result[i, back, :-1] = np.log(predictions[j] + 1e-6)
                result[i, back, -1] = examples[j].speaker == example.speaker
    return result.reshape(len(examples), -1)


def _features() -> FeatureUnion:
    return tfidf_features(WORD, least_words=2, least_characters=3)


def _all_classes(model: LogisticRegression, columns: Matrix) -> Probabilities:
    """Return predictions (N, 7), zeros for classes that the model has not seen."""
    result = np.zeros((columns.shape[0], len(EMOTIONS)), np.float32)
    result[:, model.classes_] = model.predict_proba(columns)
    return result
