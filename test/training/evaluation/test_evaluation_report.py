# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is written of an evaluation: the paper's tables, JSON, and the page."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import cache
import hashlib
import io
import json
from pathlib import Path
import re

from mmer_ros.report.formats import percent
from mmer_ros.report.table import row, Table
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
import pytest
from rich.console import Console
from training.commands import terminal
from training.engine.predictions import Predictions
from training.evaluation import paper
from training.evaluation.evaluation import evaluate, Evaluation
from training.evaluation.learning import LearningCurve
from training.evaluation.paper_tables import table_1, table_2, table_3
from training.evaluation.report import render_tables, write_report
from training.evaluation.results import measure
from training.evaluation.tables import models_table, singles_table, specialist_table
from training.evaluation.wording import of_figure

from .test_evaluation import ALL, evaluation, FACE, SEEDS, TEXT
from ...fixtures.evaluation import LinearPredictor, make_features
from ...fixtures.pages import NASTY, Parsed


def page(found: Evaluation, folder: Path) -> tuple[str, Parsed]:
    text = write_report(found, folder).read_text(encoding='utf-8')
    return text, Parsed(text)


@cache
def text_only() -> Evaluation:
    evaluated = make_features(60, seed=3, separation={TEXT: 1.0})
    model = LinearPredictor('text model', make_features(200, seed=4, split='train'), evaluated)
    return evaluate([model], data='MELD test', resamples=10)


def rows_of(table: Table) -> dict[str, list[str]]:
    return {str(cells[0]): [str(cell) for cell in cells[1:]] for cells in table.rows}


# -- the paper's figures --------------------------------------------------------------------


@pytest.mark.parametrize('modalities', paper.TABLE_MODALITIES)
def test_the_papers_figures_fit_each_other(modalities: Modality) -> None:
    """So that a slip of the pen in any of them shows; rounding to a tenth is allowed for."""
    for precision, recall, f1 in paper.PER_CLASS[modalities].values():
        mean = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert f1 == pytest.approx(mean, abs=.16)
    precision, recall, f1 = paper.WEIGHTED_AVERAGE[modalities]
    overall = paper.OVERALL[modalities]
    assert f1 == overall.harmonic_f1 == pytest.approx(
        2 * precision * recall / (precision + recall), abs=.1)
    assert recall == overall.accuracy
    recalls = [recall for _, recall, _ in paper.PER_CLASS[modalities].values()]
    assert overall.balanced_accuracy == pytest.approx(np.mean(recalls), abs=.1)
    study = next(s for s in paper.STUDIES
                 if (s.name, s.modalities) == (paper.PROPOSED, modalities))
    assert study.accuracy == overall.accuracy
    implied = paper.implied_weighted_f1(modalities)
    if modalities == paper.WHOLE:
        assert implied == pytest.approx(63.0, abs=.05) and study.f1 == overall.harmonic_f1
    else:
        assert implied == pytest.approx(study.f1, abs=.1)


# -- tables ---------------------------------------------------------------------------------


def test_table_1_holds_ours_and_the_papers_in_its_layout() -> None:
    for causal in (True, False):
        table = table_1(evaluation(), causal=causal)
        assert [name for name, _ in table.groups] == ['', 'Audio', 'Face', 'Text', 'Multimodal']
        rows = rows_of(table)
        assert list(rows)[:7] == ['Neutral', 'Joy', 'Sadness', 'Anger', 'Surprise', 'Fear',
                                  'Disgust']
        result = evaluation().find(ALL, causal=causal)
        assert result is not None
        figures = result.figures
        assert rows['Joy'][-1] == f'{of_figure(figures["f1/joy"])} (56.9)'
        assert rows['Average, harmonic F1'][-1] == f'{of_figure(figures["harmonic_f1"])} (64.0)'
        assert rows['Average, weighted F1'][-1] == f'{of_figure(figures["weighted_f1"])} (63.0)'
        assert rows['Average, weighted F1'][-4].endswith('(61.2)')


def test_single_columns_are_the_unimodal_models_as_in_the_paper() -> None:
    """What the fusion answers from one modality is another thing, and has a table of its own."""
    for causal in (True, False):
        reader = next(r for r in evaluation().others if r.name.startswith('reader')
                      and r.causal == causal)
        viewer = next(r for r in evaluation().others if r.name == 'viewer')
        rows = rows_of(table_1(evaluation(), causal=causal))
        audio, face, text = (rows['Neutral'][i:i + 3] for i in (0, 3, 6))
        assert audio == ['– (48.5)', '– (99.8)', '– (65.2)'], 'there is no audio model'
        assert face[0] == f'{of_figure(viewer.figures["precision/neutral"])} (48.1)'
        assert text[2] == f'{of_figure(reader.figures["f1/neutral"])} (77.1)'
        alone = evaluation().find(TEXT, causal=causal)
        assert alone is not None and alone.figures['f1/joy'] != reader.figures['f1/joy']
        name = 'Text' if causal else 'Text, with reply'
        assert rows_of(table_2(evaluation()))[name][0] == str(
            of_figure(reader.figures['accuracy']))
    assert rows_of(table_1(text_only(), causal=True))['Joy'][8] == (
        f'{of_figure(text_only().main.figures["f1/joy"])} (54.1)')


def test_each_figure_of_a_class_has_an_interval_and_the_deviation_of_the_seeds() -> None:
    main = evaluation().main
    for kind in ('precision', 'recall', 'f1'):
        for place, name in enumerate(EMOTIONS):
            figure = main.figures[f'{kind}/{name}']
            assert figure.mean == pytest.approx(main.per_class(kind)[place])
            assert figure.deviation == pytest.approx(
                np.std([getattr(s, kind)[place] for s in main.scores], ddof=1))
            assert figure.low is not None and figure.high is not None
            assert figure.low <= figure.mean <= figure.high
    assert main.figures['weighted_recall'].mean == pytest.approx(main.figures['accuracy'].mean)
    assert main.figures['weighted_precision'].mean == pytest.approx(
        np.mean([s.weighted_precision for s in main.scores]))


def test_table_2_sets_the_paper_beside_what_also_had_the_reply() -> None:
    rows = rows_of(table_2(evaluation()))
    papers = {name: cells[1:8:2] for name, cells in rows.items()}
    assert papers == {
        'Audio': ['48.4', '14.6', '32.1', '43.8'], 'Face': ['47.8', '14.3', '31.4', '33.3'],
        'Text': ['–'] * 4, 'Text, with reply': ['62.6', '42.0', '61.2', '61.8'],
        'Multimodal': ['–'] * 4, 'Multimodal, with reply': ['65.0', '42.2', '63.0', '64.0']}
    figure = evaluation().main.figures['balanced_accuracy']
    assert figure.deviation is not None and figure.low is not None and figure.high is not None
    assert rows['Multimodal'][2] == (f'{percent(figure.mean)} ± {percent(figure.deviation)} '
                                     f'[{percent(figure.low)}, {percent(figure.high)}]')


def test_the_row_of_all_that_is_given_stands_out() -> None:
    for found, name in ((evaluation(), 'Multimodal'), (text_only(), 'Text')):
        table = table_2(found)
        assert [table.rows[i][0].text for i in table.heavy] == [name]
    rows = rows_of(table_2(text_only()))
    assert rows['Multimodal, with reply'][:2] == ['–', '65.0']


def test_table_3_lists_the_studies_ours_and_the_baselines() -> None:
    table = table_3(evaluation())
    names = [(row[0].text, row[1].text) for row in table.rows]
    assert names[6] == ('Siriwardhana et al. 2020', 'Text + audio + face')
    assert [c.text for c in table.rows[6]][2:4] == ['64.3', '63.9']
    assert [c.text for c in table.rows[10]][2:] == ['65.0', '64.0', '63.0', '64.0']
    assert names[-4:] == [('reader', 'Text'), ('reader', 'Text, with reply'), ('viewer', 'Face'),
                          ('TF-IDF', 'Text')]
    assert [names[i] for i in table.heavy] == [('linear', 'Text + audio + face')]
    assert len(names) == 11 + 11 + 3 + 1


def test_the_models_are_tabled_with_their_lead_over_the_baseline(tmp_path: Path) -> None:
    table = models_table(evaluation())
    rows = rows_of(table)
    assert list(rows) == ['linear', 'linear, with reply', 'reader', 'reader, with reply',
                          'viewer', 'TF-IDF']
    lead = evaluation().compared(evaluation().main, evaluation().baselines[0])
    assert lead is not None and lead.difference.low > 0
    shown = (f'{100 * lead.difference.value:+.1f} [{100 * lead.difference.low:+.1f}, '
             f'{100 * lead.difference.high:+.1f}]')
    assert table.columns[-1] == 'Lead' and rows['linear'][-1] == shown
    assert rows['reader'][-1] == '+0.0 [+0.0, +0.0]' and rows['TF-IDF'][-1] == '–'
    assert 'less that of TF-IDF' in table.caption
    _, parsed = page(evaluation(), tmp_path)
    assert f'Lead, weighted F1{shown.split()[0]}points' in parsed.words
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal.shown(table))
    text = console.export_text()
    assert shown.split(' ', 1)[1] in text and 'viewer' in text


def test_a_missing_modality_is_set_against_a_model_trained_without_it() -> None:
    table = specialist_table(evaluation())
    special = evaluation().specialists[0]
    own = evaluation().find(TEXT | FACE)
    assert own is not None
    (given, *cells), = ([str(c) for c in row] for row in table.rows)
    assert given == 'Text + face' and table.heavy == {0}, 'one modality is missing'
    f1 = [r.figures['weighted_f1'].mean for r in (own, special)]
    assert [c.split()[0] for c in cells[1:4]] == [
        percent(f1[0]), percent(f1[1]), f'{100 * (f1[0] - f1[1]):+.1f}']


def test_the_gain_is_reported_over_every_single_modality() -> None:
    table = singles_table(evaluation())
    scores = [float(row[3].text) for row in table.rows]
    assert [row[1].text for row in table.rows] == 3 * ['This model, given it alone'] + [
        'reader', 'viewer']
    (best,) = table.heavy
    assert scores[best] == max(scores) and table.rows[best][0].text == 'Text'
    assert all(row[4].text.startswith('+') for row in table.rows)


def test_markdown_has_every_table_with_as_many_cells_as_columns() -> None:
    text = render_tables(evaluation())
    assert text.count('\n## ') == 12
    for block in re.findall(r'(?:^\|.*\n)+', text, re.MULTILINE):
        widths = {len(re.findall(r'(?<!\\)\|', line)) for line in block.splitlines()}
        assert len(widths) == 1
    assert 'cannot be compared directly' in text
    assert 'The paper’s: the same split.' in render_tables(text_only())


def test_markdown_shows_names_as_they_are() -> None:
    table = Table(('a | b', 'n'), [row('<b>`x`|y\nz', '1')])
    assert table.to_markdown().splitlines() == [
        '| a \\| b | n |', '| --- | ---: |', '| \\<b>\\`x\\`\\|y z | 1 |']


# -- files ----------------------------------------------------------------------------------


def test_report_is_written_complete_and_again_over_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / 'a' / 'report'
    write_report(text_only(), folder)
    assert write_report(evaluation(), folder) == folder / 'report.html'
    assert sorted(p.name for p in folder.iterdir()) == ['evaluation.json', 'predictions',
                                                        'report.html', 'tables.md']
    kept = [Predictions.load(p) for p in sorted((folder / 'predictions').iterdir())]
    assert len(kept) == 2 * SEEDS + 3 + 1 + 1 + 1, 'main, with reply; others, baseline, ...'
    assert np.array_equal(kept[1].logits, evaluation().main.predictions[1].logits)
    plain = json.loads((folder / 'evaluation.json').read_text(encoding='utf-8'))
    whole = next(s for s in plain['subsets']
                 if s['modalities'] == ['text', 'audio', 'face'] and s['causal'])
    assert whole['figures']['weighted_f1']['mean'] == pytest.approx(
        np.mean([seed['weighted_f1'] for seed in whole['seeds']]))
    assert (folder / 'tables.md').read_text(encoding='utf-8') == render_tables(evaluation())


def test_json_has_null_for_what_is_no_number(tmp_path: Path) -> None:
    curve = LearningCurve('run', 'dev', 'loss', ((1, float('nan')),))
    write_report(replace(text_only(), learning=(replace(curve, points=((1, 2.0),)),),
                         facts={'x': 'y'}), tmp_path)
    odd = replace(text_only(), embedding_map=None, learning=())
    main = odd.main
    main_with_nan = replace(main, figures={**main.figures, 'nll': replace(
        main.figures['nll'], deviation=float('nan'))})
    write_report(replace(odd, subsets=(main_with_nan, *odd.subsets[1:])), tmp_path)
    plain = json.loads((tmp_path / 'evaluation.json').read_text(encoding='utf-8'))
    assert plain['subsets'][0]['figures']['nll']['deviation'] is None


# -- page -----------------------------------------------------------------------------------


def learning(run: str = 'fusion-seed0') -> tuple[LearningCurve, ...]:
    steps = range(10, 1010, 2)
    return (LearningCurve(run, 'train', 'loss', tuple((s, 9 / s) for s in steps)),
            LearningCurve(run, 'dev', 'weighted_f1', ((100, .3), (200, .4))))


def test_page_needs_nothing_else_and_runs_its_own_script_only(tmp_path: Path) -> None:
    text, parsed = page(replace(evaluation(), learning=learning()), tmp_path)
    assert 'http:' not in text and 'https:' not in text
    assert '@import' not in text and 'url(' not in text
    assert not [tag for tag, _ in parsed.tags
                if tag in ('link', 'iframe', 'object', 'img', 'use', 'image')]
    links = [a['href'] for _, a in parsed.tags if 'href' in a]
    ids = {a['id'] for _, a in parsed.tags if 'id' in a}
    assert links and all(link[1:] in ids and link[0] == '#' for link in links)
    assert not [a for _, a in parsed.tags if 'src' in a]
    policy = next(a['content'] for _, a in parsed.tags
                  if a.get('http-equiv') == 'Content-Security-Policy')
    script = text.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert '$' not in text.partition('<style>')[0]


def test_every_name_is_escaped(tmp_path: Path) -> None:
    answers = evaluation().main.predictions[0]
    odd = measure(NASTY, ALL, [Predictions(NASTY, answers.keys, answers.labels, answers.logits)],
                  resamples=2)
    text, parsed = page(replace(
        evaluation(), name=NASTY, data=NASTY, baselines=(odd,), ablations=(odd,), notes=(NASTY,),
        facts={NASTY: NASTY}, warning=NASTY, learning=learning(NASTY)), tmp_path)
    assert 'alert("x")' not in text
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert not [a for _, a in parsed.tags if 'onload' in a]
    assert ''.join(parsed.text).count(NASTY) > 12


def test_page_shows_the_headline_with_interval_and_the_papers(tmp_path: Path) -> None:
    _, parsed = page(evaluation(), tmp_path)
    figure = evaluation().main.figures['weighted_f1']
    assert f'Weighted F1{percent(figure.mean)}%' in parsed.words
    assert 'paper, MELD test: 63.0' in parsed.words and 'paper, MELD test: 64.0' in parsed.words
    _, parsed = page(text_only(), tmp_path)
    assert 'paper: 61.2' in parsed.words, 'its text alone'


def test_confusion_matrix_has_the_counts_and_shares_of_its_rows(tmp_path: Path) -> None:
    _, parsed = page(evaluation(), tmp_path)
    cells = [a for tag, a in parsed.tags if tag == 'td' and '--v' in a.get('style', '')]
    counts = evaluation().main.confusion
    assert len(cells) == 49
    for cell, (truth, answer) in zip(cells, np.ndindex(7, 7)):
        total = max(1, counts[truth].sum())
        assert f'--v:{100 * counts[truth, answer] / total:.1f}%' == cell['style']
        assert cell['title'] == (f'{EMOTIONS[truth]}, answered {EMOTIONS[answer]}: '
                                 f'{counts[truth, answer]} of {counts[truth].sum()}')


def test_map_has_a_point_for_each_example_hollow_where_the_answer_is_wrong(
        tmp_path: Path) -> None:
    _, parsed = page(evaluation(), tmp_path)
    points = parsed.of_class('point')
    drawn = evaluation().embedding_map
    assert drawn is not None and len(points) == len(drawn.labels)
    assert sum('wrong' in p['class'] for p in points) == (drawn.labels != drawn.answers).sum()
    for index, name in enumerate(EMOTIONS):
        assert sum(f'e-{name}' in p['class'] for p in points) == (drawn.labels == index).sum()


def test_curves_keep_within_their_plots(tmp_path: Path) -> None:
    text, parsed = page(replace(evaluation(), learning=learning()), tmp_path)
    plots = re.findall(r'<svg class="drawn" viewBox="0 0 (\d+) (\d+)".*?</svg>', text)
    assert len(plots) == 1 + 2 + 4 + 4 + 1 + 2  # classes, subsets, robustness, reliability, map
    for width, height, inside in re.findall(
            r'<svg class="drawn" viewBox="0 0 (\d+) (\d+)"(.*?)</svg>', text):
        for x, y in re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)"', inside):
            assert 0 <= float(x) <= float(width) and 0 <= float(y) <= float(height)
        for way in re.findall(r' d="M([^"HV]+)"', inside):
            for x, y in (pair.split() for pair in way.rstrip('Z').split('L')):
                assert -1 <= float(x) <= float(width) + 1 and -1 <= float(y) <= float(height) + 1
    assert 'nan' not in re.sub(r'[a-z]nan|nan[a-z]', '', text)


def test_sections_without_anything_to_show_are_left_out(tmp_path: Path) -> None:
    _, parsed = page(text_only(), tmp_path)
    names = [a['href'] for tag, a in parsed.tags if tag == 'a']
    assert names == ['#classes', '#tables', '#subsets', '#robustness', '#calibration',
                     '#embeddings', '#differences']
    bare = replace(text_only(), embedding_map=None, curves=(), comparisons=())
    _, parsed = page(bare, tmp_path)
    assert [a['href'] for tag, a in parsed.tags if tag == 'a'] == [
        '#classes', '#tables', '#subsets', '#calibration']
