"""An evaluation as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
import hashlib
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from mmer_ros.report.svg import Plot, tooltip
from mmer_ros.types import EMOTIONS, MODALITIES
import numpy as np
from training.evaluation import paper
from training.evaluation.evaluation import Evaluation, PAPER_DATA
from training.evaluation.figures import (
    class_plot,
    embedding_plot,
    kind_of,
    learning_plots,
    MIN_BIN,
    reliability_plot,
    robustness_plot,
    subset_plot,
)
from training.evaluation.results import Result, title_of
from training.evaluation.table import Cell, of_figure, Table
from training.evaluation.tables import all_tables, gap
from training.evaluation.wording import inline, provenance, TITLES

MAX_RUNS = 12  # whose learning curves are drawn


def render_page(evaluation: Evaluation) -> str:
    """Return the page: markup, style, script and figures in one text, no reference outside."""
    template = Path(__file__).with_name('page.html').read_text(encoding='utf-8')
    script = template.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tables = {table.key: table for table in all_tables(evaluation)}
    sections = [section for section in _sections(evaluation, tables) if section]
    return Template(template).substitute(
        title=escape(f'Evaluation of {evaluation.name}'),
        summary=_summary(evaluation), warning=_warning(evaluation.warning),
        facts=_facts(evaluation), notes=_notes(evaluation), tiles=_tiles(evaluation),
        contents=''.join(f'<a href="#{key}">{name}</a>' for key, name, _ in sections),
        sections=''.join(body for _, _, body in sections),
        provenance=escape(provenance(evaluation)), script_hash=f'sha256-{digest}')


def _sections(evaluation: Evaluation,
              tables: dict[str, Table]) -> Iterator[tuple[str, str, str]]:
    """Yield anchor, name and markup of each section that has something to show."""
    for key, name in (('models', 'Models'), ('ablations', 'Ablations'),
                      ('specialists', 'Trained without')):
        if key in tables:
            same = tables[key].title == name
            yield _section(key, name, (_bare if same else _table_card)(tables[key]))
    yield _section('classes', 'Classes', _pair(
        _card('Confusion matrix', _confusion(evaluation.main), 'As Fig. 7. Rows: truth; columns: '
              'answer. Percent of the row, and the number of examples'
              + (' over all seeds.' if evaluation.seeds > 1 else '.')),
        _card('F1 by class', f'{_class_legend(evaluation)}{class_plot(evaluation)}')))
    firsts = [tables[key] for key in ('table-1-causal', 'table-1-reply') if key in tables]
    yield _section('tables', 'The paper’s tables', _tabs(firsts) + ''.join(
        _table_card(tables[key]) for key in ('table-2', 'table-3')))
    yield _section('subsets', 'Subsets of modalities',
                   _subsets(evaluation) + ''.join(
                       _table_card(tables[key]) for key in ('subsets', 'singles')
                       if key in tables))
    if evaluation.curves:
        yield _section('robustness', 'Robustness', _robustness(evaluation) + ''.join(
            _folded(tables[key]) for key in ('noise', 'missing') if key in tables))
    yield _section('calibration', 'Calibration', _calibration(evaluation))
    if evaluation.embedding_map:
        yield _section('embeddings', 'Embeddings', _embeddings(evaluation))
    if evaluation.learning:
        yield _section('learning', 'Learning curves', _learning(evaluation))
    if 'comparisons' in tables:
        yield _section('differences', 'Differences', _bare(tables['comparisons']))


def _section(key: str, name: str, body: str) -> tuple[str, str, str]:
    return key, name, f'<section id="{key}"><h2>{name}</h2>{body}</section>'


def _card(title: str, body: str, caption: str = '', kind: str = '') -> str:
    words = f'<p class="caption">{escape(caption)}</p>' if caption else ''
    return (f'<div class="card {kind}"><div class="head"><h3>{escape(title)}</h3></div>'
            f'<div class="body">{body}{words}</div></div>')


def _pair(*cards: str) -> str:
    return f'<div class="grid">{"".join(cards)}</div>'


# -- the page's head ------------------------------------------------------------------------


def _summary(evaluation: Evaluation) -> str:
    seeds = f'{evaluation.seeds} seeds' if evaluation.seeds > 1 else '1 seed'
    parts = [evaluation.data, f'{len(evaluation.main.labels)} examples', seeds,
             title_of(evaluation.whole).lower()]
    return ' &nbsp;·&nbsp; '.join(map(escape, parts))


def _warning(text: str) -> str:
    return f'<div class="warning" role="alert">{escape(text)}</div>' if text else ''


def _facts(evaluation: Evaluation) -> str:
    cells = ''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>'
                    for name, value in evaluation.facts.items())
    return f'<dl class="facts card">{cells}</dl>' if cells else ''


def _notes(evaluation: Evaluation) -> str:
    items = ''.join(f'<li>{escape(note)}</li>' for note in evaluation.notes)
    return f'<ul class="notes">{items}</ul>' if items else ''


def _tiles(evaluation: Evaluation) -> str:
    """Return the figures that one looks for first, causal, all modalities."""
    alike = paper.WHOLE if len(evaluation.available) > 1 else evaluation.whole
    printed = {'weighted_f1': paper.WEIGHTED_F1[alike]} | {
        key: getattr(paper.OVERALL[alike], key)
        for key in ('harmonic_f1', 'accuracy', 'balanced_accuracy')}
    where = 'paper' if evaluation.data == PAPER_DATA else f'paper, {PAPER_DATA}'
    tiles = []
    for key in ('weighted_f1', 'harmonic_f1', 'accuracy', 'balanced_accuracy', 'ece'):
        cell = of_figure(evaluation.main.figures[key])
        theirs = f'{where}: {printed[key]:.1f}' if key in printed else 'lower is better'
        tiles.append(_tile(TITLES[key], cell, '%', theirs))
    for simple in evaluation.baselines:
        lead = gap(evaluation.compared(evaluation.main, simple))
        tiles.append(_tile('Lead, weighted F1', lead, 'points', f'over {simple.name}'))
    return f'<dl class="tiles card">{"".join(tiles)}</dl>'


def _tile(name: str, cell: Cell, unit: str, beneath: str) -> str:
    return (f'<div><dt>{escape(name)}</dt><dd>{escape(cell.text)}<small>{unit}</small></dd>'
            f'<p>{escape(cell.small) or "&nbsp;"}</p><p>{escape(beneath)}</p></div>')


# -- tables ---------------------------------------------------------------------------------


def _table_card(table: Table) -> str:
    return (f'<div class="card" id="t-{table.key}"><div class="head">'
            f'<h3>{escape(table.title)}</h3></div>{_captioned(table)}</div>')


def _bare(table: Table) -> str:
    """Return a table under a heading that says the same as its title."""
    return f'<div class="card" id="t-{table.key}">{_captioned(table)}</div>'


def _folded(table: Table) -> str:
    """Return a table that opens when asked for, as the figures say the same."""
    return (f'<details class="card" id="t-{table.key}"><summary class="head">'
            f'{escape(table.title)}: the figures</summary>{_captioned(table)}</details>')


def _tabs(tables: Sequence[Table]) -> str:
    """Return tables in one place, of which one is seen at a time."""
    if len(tables) < 2:
        return ''.join(map(_table_card, tables))
    inputs = ''.join(
        f'<input type="radio" name="tabs" id="tab-{i}"{" checked" if not i else ""}>'
        f'<label for="tab-{i}">{escape(table.title)}</label>' for i, table in enumerate(tables))
    panes = ''.join(f'<div class="pane" id="t-{t.key}">{_captioned(t)}</div>' for t in tables)
    return f'<div class="card tabs">{inputs}{panes}</div>'


def _captioned(table: Table) -> str:
    return (f'<p class="caption">{escape(table.caption)}</p>'
            f'<div class="scroll">{_table(table)}</div>')


def _table(table: Table) -> str:
    starts = set(np.cumsum([span for _, span in table.groups]).tolist())

    def kind(column: int, cell: Cell | None = None) -> str:
        names = ['num'] if column >= table.words else []
        names += ['group'] if column in starts else []
        names += ['theirs'] if cell and cell.paper else []
        return f' class="{" ".join(names)}"' if names else ''

    groups = ''.join(f'<th colspan="{span}"{kind(place)}>{escape(name)}</th>'
                     for place, (name, span) in _places(table.groups))
    head = ''.join(f'<th{kind(i)}>{escape(name)}</th>' for i, name in enumerate(table.columns))
    rows, before = [], ''
    for number, cells in enumerate(table.rows):
        again = table.words > 1 and cells[0].text == before
        before = cells[0].text
        names = ' '.join(['heavy'] * (number in table.heavy) + ['again'] * again)
        rows.append(f'<tr class="{names}">' + ''.join(
            f'<td{kind(i, cell)}>{_inside(cell)}</td>' for i, cell in enumerate(cells)) + '</tr>')
    top = f'<tr class="groups">{groups}</tr>' if groups else ''
    return f'<table><thead>{top}<tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _inside(cell: Cell) -> str:
    small = escape(cell.small).replace(', ', ',&nbsp;').replace('± ', '±&nbsp;')
    return escape(cell.text) + (f'<small>{small}</small>' if small else '')


def _places(groups: Sequence[tuple[str, int]]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield each group with its first column."""
    place = 0
    for group in groups:
        yield place, group
        place += group[1]


def _confusion(result: Result) -> str:
    counts = result.confusion
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    head = ''.join(f'<th><span>{name}</span></th>' for name in EMOTIONS)
    rows = []
    for truth, name in enumerate(EMOTIONS):
        cells = ''.join(
            f'<td class="{"hit " if truth == answer else ""}{"deep" if share > .55 else ""}" '
            f'style="--v:{100 * share:.1f}%"'
            + tooltip(f'{name}, answered {EMOTIONS[answer]}: {counts[truth, answer]} of '
                      f'{counts[truth].sum()}')
            + f'>{100 * share:.0f}<small>{counts[truth, answer]}</small></td>'
            for answer, share in enumerate(shares[truth]))
        rows.append(f'<tr><th>{name}</th>{cells}</tr>')
    return (f'<div class="scroll"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


# -- figures --------------------------------------------------------------------------------


def _subsets(evaluation: Evaluation) -> str:
    legend = ('<div class="legend"><span><i class="mark"></i>causal</span>'
              '<span><i class="mark ring"></i>with reply</span>'
              '<span><i class="whisker"></i>95 % bootstrap interval</span></div>')
    return _pair(*(
        _card(f'{TITLES[key]} by subset',
              f'{legend}{subset_plot(evaluation, key, inline(TITLES[key]))}')
        for key in ('weighted_f1', 'accuracy')))


def _class_legend(evaluation: Evaluation) -> str:
    marks = ''
    if len(evaluation.available) > 1:
        marks = ''.join(
            f'<span><i class="mark {kind_of(m)}"></i>{title_of(m).lower()} alone</span>'
            for m in evaluation.available)
    return (f'<div class="legend"><span><i class="swatch many"></i>'
            f'{escape(title_of(evaluation.whole).lower())}</span>{marks}'
            f'<span><i class="stroke"></i>paper’s fusion, {PAPER_DATA}</span></div>')


def _robustness(evaluation: Evaluation) -> str:
    cards = []
    for kind, title in (('noise', 'Noise on one modality'), ('missing', 'A modality missing')):
        curves = [c for c in evaluation.curves if c.kind == kind]
        for statistic in ('weighted_f1', 'accuracy') if curves else ():
            name = inline(TITLES[statistic])
            cards.append(_card(f'{title}: {name}', str(robustness_plot(curves, statistic, name))))
    return _pair(*cards)


def _calibration(evaluation: Evaluation) -> str:
    shown = [evaluation.main]
    if len(evaluation.available) > 1:
        shown += [r for m in MODALITIES if (r := evaluation.find(m))]
    plots = ''.join(
        f'<figure>{reliability_plot(result)}<figcaption><b>{escape(result.name)}</b> '
        f'ECE {of_figure(result.figures["ece"])} %, NLL {result.figures["nll"].mean:.2f}'
        '</figcaption></figure>' for result in shown)
    return _card('Reliability', f'<div class="many">{plots}</div>',
                 'Of the answers of a confidence, how many are right. Diagonal: perfectly '
                 'calibrated; shaded: the gap that the expected calibration error (ECE) sums up; '
                 'grey, at the bottom: how many answers there are. 15 bins of equal width; those '
                 f'with fewer than {MIN_BIN} answers are left blank.')


def _embeddings(evaluation: Evaluation) -> str:
    drawn = evaluation.embedding_map
    assert drawn is not None
    count = np.bincount(drawn.labels, minlength=len(EMOTIONS))
    legend = ''.join(f'<span><i class="swatch e-{name}"></i>{name} {number}</span>'
                     for name, number in zip(EMOTIONS, count, strict=True))
    sampled = (f'{len(drawn.labels)} of {drawn.total} examples, drawn at random'
               if len(drawn.labels) < drawn.total else f'all {drawn.total} examples')
    return _card('t-SNE of the fused embeddings',
                 f'<div class="legend">{legend}<span><i class="mark ring"></i>answered wrongly'
                 f'</span></div>{embedding_plot(drawn)}',
                 f'As Fig. 8, coloured by truth; {sampled}; first seed. Distances between '
                 'clusters say nothing in t-SNE, neighbourhoods do.')


def _learning(evaluation: Evaluation) -> str:
    runs = [list(curves) for _, curves in groupby(evaluation.learning, lambda c: c.run)]
    cards = ''.join(_card(curves[0].run, _plots(learning_plots(curves)))
                    for curves in runs[:MAX_RUNS])
    more = (f'<p class="caption">{len(runs) - MAX_RUNS} more runs are in evaluation.json.</p>'
            if len(runs) > MAX_RUNS else '')
    return cards + more


def _plots(plots: Sequence[Plot]) -> str:
    return f'<div class="many two">{"".join(f"<figure>{plot}</figure>" for plot in plots)}</div>'
