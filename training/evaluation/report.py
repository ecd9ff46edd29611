# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""An evaluation on disk: evaluation.json, predictions/, tables.md and report.html."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
import json
import math
from pathlib import Path
import re
from typing import Any

from mmer_ros.report.table import sections
from training.engine.files import write_file
from training.engine.predictions import Predictions
from training.evaluation.evaluation import Evaluation
from training.evaluation.page import render_page
from training.evaluation.tables import all_tables
from training.evaluation.wording import provenance


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """
    Write an evaluation; existing files are replaced one by one.

    Figures and answers come first, so that a failing page does not lose them.

    :param folder: created if missing.
    :return: path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(evaluation.to_dict()), indent=1, allow_nan=False)
    write_file(folder / 'evaluation.json', text.encode())
    _write_answers(evaluation, folder / 'predictions')
    write_file(folder / 'tables.md', render_tables(evaluation).encode())
    page = folder / 'report.html'
    write_file(page, render_page(evaluation).encode())
    return page


def _write_answers(evaluation: Evaluation, folder: Path) -> None:
    written = set()
    for name, answers in _answers(evaluation):
        written.add(folder / f'{name}.safetensors')
        answers.save(folder / f'{name}.safetensors')
    for stale in set(folder.glob('*.safetensors')) - written:  # of an evaluation before
        stale.unlink()


def _answers(evaluation: Evaluation) -> Iterator[tuple[str, Predictions]]:
    """Yield the answers of each model given all that it takes, with the name of their file."""
    whole = [(evaluation.name, r) for r in evaluation.subsets
             if r.modalities == evaluation.whole]
    rest = [(r.name, r) for r in (*evaluation.others, *evaluation.baselines,
                                  *evaluation.ablations, *evaluation.specialists)]
    for number, (name, result) in enumerate((*whole, *rest)):
        slug = re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:40]
        for seed, answers in enumerate(result.predictions):
            yield f'{number:02d}-{slug}-{seed}', replace(answers, embeddings=None)


def render_tables(evaluation: Evaluation) -> str:
    """Return all tables as one Markdown document."""
    parts = [f'# Evaluation of {" ".join(evaluation.name.split())}', provenance(evaluation)]
    parts += [f'**{evaluation.warning}**'] if evaluation.warning else []
    parts += [f'- {note}' for note in evaluation.notes]
    return '\n\n'.join([*parts, sections(all_tables(evaluation))])


def _plain(value: Any) -> Any:
    """Return the value with null in place of NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
