"""A teacher for the text encoder: linear models whose soft answers also cover unlabelled text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import safetensors.numpy
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, GroupKFold
from sklearn.pipeline import FeatureUnion
from training.corpora.examples import Example
from training.encoders.text.tfidf import ITERATIONS, tfidf_features
from training.engine.config import Settings
from training.engine.files import partial_of
from training.engine.losses import class_counts
from training.engine.progress import Reporter

Matrix = Any  # scipy.sparse, which is not typed
Probabilities = NDArray[np.float32]  # (N, 7)
LOG_SCALE = 0.3  # of log-probabilities beside TF-IDF columns
CONTEXT_TURNS = 3
WORD = r'\b\w+\b|[!?.]+'


class TeacherConfig(Settings):
    """
    What teaches besides the labels.

    :param kind: 'stacked': TF-IDF and logistic regression on each extra corpus, whose answers are
        columns beside TF-IDF for the main corpus, and the answers for the turns before. What
        it says of the main corpus's own training examples is cross-validated by dialogue.
    :param regularisation: C of the logistic regressions.
    :param tilt: the answers are divided by the priors of the main corpus to this power, as
        fits `logit_adjusted` of the same strength; 0: they stay as they are.
    """

    kind: Literal['none', 'stacked'] = 'none'
    regularisation: float = Field(1.5, gt=0)
    folds: int = Field(5, ge=2)
    tilt: float = Field(0.0, ge=0, le=1)


def soft_targets(config: TeacherConfig, main: Sequence[Example],
                 extra: Sequence[Sequence[Example]], cache: Path, reporter: Reporter
                 ) -> Mapping[str, Probabilities]:
    """
    Return what the teacher says, (7,) by key, of all training examples with text.

    :param cache: file that keeps the answers for a resumed run.
    """
    if config.kind == 'none':
        return {}
    keys = [e.key for corpus in (main, *extra) for e in _trained_on(corpus)]
    if not cache.is_file():
        with reporter.console.status('teacher: TF-IDF and logistic regressions'):
            said = _Stacked(config, main, extra).answers()
        partial = partial_of(cache)
        safetensors.numpy.save_file({'answers': said}, partial)
        partial.replace(cache)
    answers: Probabilities = safetensors.numpy.load_file(cache)['answers']
    answers = tilted(answers, _trained_on(main), config.tilt)
    return dict(zip(keys, answers, strict=True))


def tilted(answers: Probabilities, examples: Sequence[Example], tilt: float) -> Probabilities:
    """Return (N, 7) answers, divided by the examples' class shares to the power `tilt`."""
    counts = np.array(class_counts([e.labels for e in examples]))
    shares = counts.clip(1) / counts.clip(1).sum()
    result: Probabilities = answers * (shares ** -tilt).astype(np.float32)
    result /= result.sum(axis=1, keepdims=True)
    return result


def features() -> FeatureUnion:
    """Return what the linear models read: words, marks, characters."""
    return tfidf_features(WORD, least_words=2, least_characters=3)


class _Stacked:
    """The teacher of one training."""

    def __init__(self, config: TeacherConfig, main: Sequence[Example],
                 extra: Sequence[Sequence[Example]]) -> None:
        self.config = config
        self.main = _trained_on(main)
        self.extra = [_trained_on(corpus) for corpus in extra]
        self.labelled = np.array([bool(e.labels) for e in self.main])
        self.labels = np.array([e.labels[0] if e.labels else -1 for e in self.main])

    def answers(self) -> Probabilities:
        """Return the answers for the main corpus, then for each extra one."""
        texts = [[e.text for e in corpus] for corpus in (self.main, *self.extra)]
        opinions = self._opinions(texts)
        vectors = features().fit([t for t, known in zip(texts[0], self.labelled) if known])
        columns = [sparse.hstack([vectors.transform(t), *o]).tocsr()
                   for t, o in zip(texts, opinions)]
        groups = [e.group or e.key for e in self.main]
        first = self._cross_validated(columns[0], groups)
        context = sparse.csr_matrix(before(self.main, first) * LOG_SCALE)
        second = self._cross_validated(sparse.hstack([columns[0], context]).tocsr(), groups)
        alone = self._model().fit(columns[0][self.labelled], self.labels[self.labelled])
        others = [_all_classes(alone, column) for column in columns[1:]]
        return np.concatenate([second, *others]).astype(np.float32)

    def _opinions(self, texts: Sequence[Sequence[str]]) -> list[list[Matrix]]:
        """Return for each corpus the columns in which the models of the extra ones answer."""
        result: list[list[Matrix]] = [[] for _ in texts]
        for corpus in self.extra:
            known = [e for e in corpus if e.labels]
            if not known:
                continue
            vectors = features()
            model = self._model().fit(vectors.fit_transform([e.text for e in known]),
                                      [e.labels[0] for e in known])
            for columns, rows in zip(result, texts):
                answer = _all_classes(model, vectors.transform(rows))
                columns.append(sparse.csr_matrix(np.log(answer + 1e-6) * LOG_SCALE))
        return result

    def _cross_validated(self, columns: Matrix, groups: Sequence[str]) -> Probabilities:
        known = self.labelled
        model = self._model().fit(columns[known], self.labels[known])
        answer = _all_classes(model, columns)
        folds = GroupKFold(min(self.config.folds, len(set(groups))))
        held_out = cross_val_predict(
            self._model(), columns[known], self.labels[known], cv=folds,
            groups=np.array(groups)[known], method='predict_proba')
        answer[np.ix_(known, np.unique(self.labels[known]))] = held_out
        return answer

    def _model(self) -> LogisticRegression:
        return LogisticRegression(C=self.config.regularisation, max_iter=ITERATIONS, tol=1e-3)


def before(examples: Sequence[Example], answers: Probabilities) -> Probabilities:
    """Return the log answers for each of the CONTEXT_TURNS turns before; zeros where none is."""
    place = {(e.group, e.turn): i for i, e in enumerate(examples) if e.group}
    result = np.zeros((len(examples), CONTEXT_TURNS, len(EMOTIONS) + 1), np.float32)
    for i, example in enumerate(examples):
        for back in range(CONTEXT_TURNS):
            j = place.get((example.group, example.turn - 1 - back))
            if j is not None:
                result[i, back, :-1] = np.log(answers[j] + 1e-6)
                result[i, back, -1] = examples[j].speaker == example.speaker
    return result.reshape(len(examples), -1)


def _trained_on(corpus: Sequence[Example]) -> list[Example]:
    return [e for e in corpus if e.split == 'train' and e.text]


def _all_classes(model: LogisticRegression, columns: Matrix) -> Probabilities:
    """Return (N, 7) answers also of a model that never saw some of the classes."""
    result = np.zeros((columns.shape[0], len(EMOTIONS)), np.float32)
    result[:, model.classes_] = model.predict_proba(columns)
    return result
