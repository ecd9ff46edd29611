"""An evaluation on disk: evaluation.json, tables.md and report.html."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from training.engine.files import write_file
from training.evaluation.evaluation import Evaluation
from training.evaluation.page import render_page
from training.evaluation.table import sections
from training.evaluation.tables import all_tables, provenance


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """
    Write everything that was measured; files that are there are replaced one by one.

    The figures come first, so that they are kept whatever becomes of the page.

    :param folder: made if it is not there.
    :return: path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(evaluation.to_dict()), indent=1, allow_nan=False)
    write_file(folder / 'evaluation.json', text.encode())
    write_file(folder / 'tables.md', render_tables(evaluation).encode())
    page = folder / 'report.html'
    write_file(page, render_page(evaluation).encode())
    return page


def render_tables(evaluation: Evaluation) -> str:
    """Return all tables as one Markdown document."""
    parts = [f'# Evaluation of {" ".join(evaluation.name.split())}', provenance(evaluation)]
    parts += [f'**{evaluation.warning}**'] if evaluation.warning else []
    parts += [f'- {note}' for note in evaluation.notes]
    return '\n\n'.join([*parts, sections(all_tables(evaluation))])


def _plain(value: Any) -> Any:
    """Return the value with null for what JSON cannot say: not a number, infinite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
