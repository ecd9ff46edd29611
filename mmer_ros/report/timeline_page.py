"""A recording and what was recognised in it, as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
import hashlib
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from mmer_ros.report.axis import Axis, fit_rules, pack_tracks
from mmer_ros.report.lanes import (
    agrees,
    backdrop,
    choose_utterances,
    colour_of,
    label_of,
    lanes,
    odds_of,
    overview,
    Run,
    segment,
    Utterance,
    weights_of,
)
from mmer_ros.report.timeline import Timeline
from mmer_ros.types import EMOTIONS

LONG_S = 120  # recordings from here on get a strip of the whole to find one's way


class Section(NamedTuple):
    """A further part of the page; `body` is markup."""

    key: str
    title: str
    body: str


def write_timeline(timeline: Timeline, path: Path) -> None:
    """
    Write the timeline as a self-contained HTML page; an existing file is replaced.

    :param path: of the page; its folder exists.
    """
    path.write_text(render_timeline(timeline), encoding='utf-8')


def render_timeline(timeline: Timeline, *, runs: Sequence[Run] | None = None, tiles: str = '',
                    sections: Sequence[Section] = (), summary: str | None = None,
                    table: str | None = None, after: Sequence[Section] = ()) -> str:
    """
    Return the page: markup, style, script and images in one text, no reference outside.

    :param runs: the utterances; None: they are chosen from the estimates.
    :param tiles: markup of the figures that one looks for first.
    :param sections: between the timeline and the table of utterances.
    :param summary: markup of the line below the title, if not the usual one.
    :param table: markup in place of that table.
    :param after: sections at the end.
    """
    axis = Axis(timeline.start, timeline.end - timeline.start or 1.0)
    if runs is None:
        runs = [Run('', choose_utterances(timeline.estimates))]
    shown = [Run(run.name, [u for u in run.utterances if axis.shows(u.start, u.end)])
             for run in runs]
    utterances = runs[0].utterances
    truths = pack_tracks([(row['start'], row['end']) for row in timeline.labels])
    if table is None:
        table = _table(axis, utterances) if utterances else _nothing(timeline)
    parts = [Section('timeline', 'Timeline', ''), *sections,
             Section('utterances', 'Utterances', ''), *after]
    return fill_page(
        escape(timeline.title), _summary(timeline, utterances) if summary is None else summary,
        'timeline.html', warning=warning_of(timeline.warning), facts=_facts(timeline.facts),
        notes=_notes(timeline.notes), tiles=tiles,
        legend=''.join(f'<span><i class="swatch e-{name}"></i>{name}</span>' for name in EMOTIONS),
        seconds=f'{axis.duration:.3f}',
        rows=str(1 + max((u.track for run in shown for u in run.utterances), default=0)),
        truths=str(1 + max(truths, default=0)),
        backdrop=backdrop(axis, shown[0].utterances),
        overview=''.join(f'<div>{overview(axis, run)}</div>' for run in shown),
        long='' if axis.duration >= LONG_S else ' hidden',
        lanes=''.join(lanes(timeline, axis, shown, truths)), table=table,
        contents=_contents(parts) if sections else '',
        sections=''.join(map(_section, sections)), after=''.join(map(_section, after)),
        origin=f'{timeline.start:.3f} s')


def fill_page(title: str, summary: str, template: str, **parts: str) -> str:
    """
    Return a page in the style of this package, which runs no script but its own.

    :param title: markup; `summary`, the line below it, likewise.
    :param template: file of what is below; '': `parts` are one body.
    """
    text = _template('page.html').replace('$style', _template('style.html'))
    script = text.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    body = Template(_template(template)).substitute(parts) if template else parts['body']
    fits = fit_rules() if template else ''
    return Template(text).substitute(title=title, summary=summary, body=body, fits=fits,
                                     script_hash=f'sha256-{digest}')


def _template(name: str) -> str:
    return (Path(__file__).parent / 'templates' / name).read_text(encoding='utf-8')


def _contents(parts: Sequence[Section]) -> str:
    return '<nav>' + ''.join(f'<a href="#{part.key}">{escape(part.title)}</a>'
                             for part in parts) + '</nav>'


def _section(section: Section) -> str:
    return (f'<section class="part" id="{section.key}"><h2>{escape(section.title)}</h2>'
            f'{section.body}</section>')


# -- the page's head ------------------------------------------------------------------------


def _summary(timeline: Timeline, utterances: Sequence[Utterance]) -> str:
    seconds = timeline.end - timeline.start
    parts = [f'{length(seconds)} recorded',
             f'{len(utterances)} utterance{"" if len(utterances) == 1 else "s"} estimated']
    if timeline.speech:
        spoken = sum(end - start for start, end in timeline.speech)
        parts.append(f'{length(spoken)} of speech')
    judged = [agrees(truth, utterances) for truth in timeline.labels]
    if judged:
        parts.append(f'{sum(j is True for j in judged)} of {len(judged)} labels agree')
    return ' &nbsp;·&nbsp; '.join(parts)


def warning_of(text: str) -> str:
    """Return the markup of a loud banner; nothing without a text."""
    sign = ('<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" '
            'stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">'
            '<path d="M12 3 22 20H2ZM12 10v4M12 17v.01"/></svg>')
    return f'<div class="warning" role="alert">{sign}<div>{escape(text)}</div></div>' * bool(text)


def _facts(facts: Mapping[str, str]) -> str:
    cells = ''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>'
                    for name, value in facts.items())
    return f'<dl class="facts card">{cells}</dl>' if cells else ''


def _notes(notes: Sequence[str]) -> str:
    return ('<ul class="notes">' + ''.join(f'<li>{escape(note)}</li>' for note in notes) + '</ul>'
            if notes else '')


def length(seconds: float) -> str:
    """Return a length of time."""
    return f'{seconds:.1f} s' if seconds < LONG_S else f'{seconds / 60:.1f} min'


# -- table ----------------------------------------------------------------------------------


def _nothing(timeline: Timeline) -> str:
    reason = ('Speech was found, but no utterance got an emotion estimate'
              if timeline.speech else 'No speech was found, and no utterance was estimated')
    return (f'<div class="empty"><h2>No estimate arrived</h2><p>{reason}. Check that the topics '
            'carry audio, images or transcripts, and read the node’s diagnostics for the '
            'reason.</p></div>')


def _table(axis: Axis, utterances: Sequence[Utterance]) -> str:
    head = ''.join(f'<th{kind}>{name}</th>' for name, kind in (
        ('#', ' class="num"'), ('Start', ' class="num"'), ('Duration', ' class="num"'),
        ('Emotion', ''), ('Probabilities', ''), ('Weights', ''),
        ('<span title="Valence, -1 unpleasant to 1 pleasant; arousal, -1 calm to 1 excited">'
         'Valence<br>arousal</span>', ' class="num"'),
        ('Latency', ' class="num"'), ('Transcript', '')))
    rows = ''.join(_line(axis, utterance) for utterance in utterances)
    judged = any('truth' in u.row for u in utterances)
    return table_card(head, rows, 'only wrong' if judged else '')


def table_card(head: str, rows: str, marked: str) -> str:
    """
    Return the markup of a table of utterances with what narrows it down.

    :param marked: what the choice of the rows of the class `marked` is called; '': none are.
    """
    box = (f'<label><input type="checkbox" id="marked"> {marked}</label>' if marked else '')
    return ('<div class="head"><h2>Utterances</h2><div class="filter">'
            f'{box}<input type="search" id="search" placeholder="Search" '
            'aria-label="Search the utterances"><output id="found"></output></div></div>'
            f'<div class="scroll"><table id="list"><thead><tr>{head}</tr></thead>'
            f'<tbody>{rows}</tbody></table></div>')


def _line(axis: Axis, utterance: Utterance) -> str:
    """Return an utterance's row of the table; this is where its whole transcript stands."""
    row, label = utterance.row, label_of(utterance.row)
    weights = ''.join(f'<span>{source}</span>{segment(weight)}'
                      f'<b>{"–" if weight is None else f"{weight:.0%}"}</b>'
                      for source, weight in weights_of(row))
    latency = '–' if utterance.latency is None else f'{1000 * utterance.latency:.0f} ms'
    state = '' if row.get('final', True) else ', partial'
    who = f'<small>{escape(str(row["person_id"]))}: </small>' if row.get('person_id') else ''
    text = escape(str(row.get('transcript') or '')) or '<small>none</small>'
    marked = ' class="marked"' if row.get('agrees') is False else ''
    return (f'<tr id="{utterance.anchor}"{marked}>'
            f'<td class="num dim">{utterance.number}</td>'
            f'<td class="num">{axis.since(utterance.start)}</td>'
            f'<td class="num">{utterance.end - utterance.start:.2f} s</td>'
            f'<td>{chip(label)}<small>{row["confidence"]:.1%}{state}</small>{verdict(row)}</td>'
            f'<td>{bars(row)}</td><td><div class="weights">{weights}</div></td>'
            f'<td class="num">{row["valence"]:+.2f}<br>{row["arousal"]:+.2f}</td>'
            f'<td class="num">{latency}</td><td class="text">{who}{text}</td></tr>')


def chip(label: str) -> str:
    """Return the markup of an emotion with its colour."""
    return f'<span class="chip"><i class="swatch {colour_of(label)}"></i>{escape(label)}</span>'


def verdict(row: Mapping[str, Any]) -> str:
    """Return whether an estimate agrees with the truth, if that is known."""
    if not row.get('truth'):
        return ''
    if row['agrees']:
        return '<small class="verdict"><b class="yes">✓</b> as labelled</small>'
    return f'<small class="verdict"><b class="no">✗</b> truth: {escape(row["truth"])}</small>'


def bars(row: Mapping[str, Any]) -> str:
    """Return the markup of the seven probabilities."""
    inside = ''.join(f'<i class="e-{name}" style="--p:{100 * value:.1f}%" title="{name} '
                     f'{value:.1%}"></i>' for name, value in odds_of(row).items())
    return f'<div class="bars">{inside}</div>'
