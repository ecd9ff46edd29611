# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One page for many recordings: all figures together, and the way to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import replace_text
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.answer import overall
from mmer_ros.report.figures import pairs_plot
from mmer_ros.report.formats import counted, duration
from mmer_ros.report.page import render
from mmer_ros.report.replay_page import PAGE


def write_overview(folder: Path, results: Sequence[ReplayResult], summary: Mapping[str, Any]
                   ) -> None:
    """
    Write report.html for several recordings, beside their summary.

    :param summary: of merged_summary.
    """
    replace_text(folder / PAGE, render_overview(results, summary))


def render_overview(results: Sequence[ReplayResult], summary: Mapping[str, Any]) -> str:
    """Return the page, self-contained but for the links to the pages of the recordings."""
    done = [result for result in results if not result.error]
    trained = {r.summary['bundle']['name']: r.summary['bundle']['trained'] for r in done}
    pairs = [pair for r in done if r.evaluation is not None for pair in r.evaluation.pairs]
    scores = (summary['evaluation'] or {}).get('scores')
    return render(
        'overview.html', 'Replay', [
            counted(len(results), 'recording'), duration(summary['duration_s']),
            f'bundle {", ".join(sorted(trained)) or "none"}'],
        results=[(Path(r.bag).name, _link(r), r) for r in results], total=summary,
        failed=[f'{Path(r.bag).name}: {r.error}' for r in results if r.error],
        untrained=[UNTRAINED.format(name=name) for name in sorted(trained) if not trained[name]],
        sentence=overall(summary['emotions'], '{} ({})'.format(
            counted(len(results), 'recording'), duration(summary['duration_s']))),
        reliability=pairs_plot(pairs) if scores else '')


def _link(result: ReplayResult) -> str:
    folder = result.folder
    return f'{quote(folder.name)}/{PAGE}' if folder and (folder / PAGE).is_file() else ''
