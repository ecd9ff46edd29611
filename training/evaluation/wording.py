"""Words and order of the figures, the same in every table and figure."""

from __future__ import annotations

from training.evaluation.evaluation import Evaluation, PAPER_DATA

OVERALL = ('accuracy', 'balanced_accuracy', 'weighted_f1', 'harmonic_f1', 'ece')
TITLES = {'accuracy': 'Accuracy', 'balanced_accuracy': 'Balanced accuracy',
          'weighted_f1': 'Weighted F1', 'harmonic_f1': 'Harmonic F1', 'ece': 'ECE'}


def inline(title: str) -> str:
    """Return a title within a sentence: `weighted F1`."""
    return title[:1].lower() + title[1:]


def provenance(evaluation: Evaluation) -> str:
    """Return the sentence that says what our figures and the paper's are of."""
    if evaluation.data == PAPER_DATA:
        return f'{ours(evaluation)} The paper’s: the same split.'
    return (f'{ours(evaluation)} The paper’s: {PAPER_DATA}, so the two cannot be compared '
            'directly.')


def ours(evaluation: Evaluation) -> str:
    count = len(evaluation.main.labels)
    seeds = (f'mean ± standard deviation over {evaluation.seeds} seeds'
             if evaluation.seeds > 1 else 'one seed')
    return f'Ours: {evaluation.data}, {count} examples, {seeds}.'
