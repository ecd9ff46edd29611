"""A recording and what was recognised in it, as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
import hashlib
from html import escape
from pathlib import Path
from string import Template

from mmer_ros.report_lanes import (
    agrees,
    Axis,
    backdrop,
    choose_utterances,
    colour_of,
    fit_rules,
    label_of,
    lanes,
    odds_of,
    pack_tracks,
    segment,
    Utterance,
    weights_of,
)
from mmer_ros.timeline import Timeline
from mmer_ros.types import EMOTIONS


def write_timeline(timeline: Timeline, path: Path) -> None:
    """
    Write the timeline as a self-contained HTML page; an existing file is replaced.

    :param path: of the page; its folder exists.
    """
    path.write_text(render_timeline(timeline), encoding='utf-8')


def render_timeline(timeline: Timeline) -> str:
    """Return the page: markup, style, script and images in one text, no reference outside."""
    axis = Axis(timeline.start, timeline.end - timeline.start or 1.0)
    utterances = choose_utterances(timeline.estimates)
    template = Path(__file__).with_name('report.html').read_text(encoding='utf-8')
    script = template.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    shown = [u for u in utterances if axis.shows(u.start, u.end)]
    truths = pack_tracks([(row['start'], row['end']) for row in timeline.labels])
    return Template(template).substitute(
        title=escape(timeline.title),
        summary=_summary(timeline, utterances),
        warning=_warning(timeline.warning),
        facts=_facts(timeline.facts),
        notes=_notes(timeline.notes),
        legend=''.join(f'<span><i class="swatch e-{name}"></i>{name}</span>' for name in EMOTIONS),
        seconds=f'{axis.duration:.3f}',
        rows=1 + max((u.track for u in shown), default=0),
        truths=1 + max(truths, default=0),
        fits=fit_rules(),
        backdrop=backdrop(axis, shown),
        lanes=''.join(lanes(timeline, axis, shown, truths)),
        table=_table(axis, utterances) if utterances else _nothing(timeline),
        origin=f'{timeline.start:.3f} s',
        script_hash=f'sha256-{digest}')


# -- the page's head ------------------------------------------------------------------------


def _summary(timeline: Timeline, utterances: Sequence[Utterance]) -> str:
    parts = [f'{timeline.end - timeline.start:.1f} s recorded',
             f'{len(utterances)} utterance{"" if len(utterances) == 1 else "s"} estimated']
    if timeline.speech:
        parts.append(f'{sum(end - start for start, end in timeline.speech):.1f} s of speech')
    judged = [agrees(truth, utterances) for truth in timeline.labels]
    if judged:
        parts.append(f'{sum(j is True for j in judged)} of {len(judged)} labels matched')
    return ' &nbsp;·&nbsp; '.join(parts)


def _warning(text: str) -> str:
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
    return ('<div class="head"><h2>Utterances</h2></div><div class="scroll"><table><thead><tr>'
            f'{head}</tr></thead><tbody>{rows}</tbody></table></div>')


def _line(axis: Axis, utterance: Utterance) -> str:
    """Return an utterance's row of the table; this is where its whole transcript stands."""
    row, label = utterance.row, label_of(utterance.row)
    bars = ''.join(f'<i class="e-{name}" style="--p:{100 * value:.1f}%" title="{name} '
                   f'{value:.1%}"></i>' for name, value in odds_of(row).items())
    weights = ''.join(f'<span>{source}</span>{segment(weight)}'
                      f'<b>{"–" if weight is None else f"{weight:.0%}"}</b>'
                      for source, weight in weights_of(row))
    latency = '–' if utterance.latency is None else f'{1000 * utterance.latency:.0f} ms'
    state = '' if row.get('final', True) else ', partial'
    who = f'<small>{escape(str(row["person_id"]))}: </small>' if row.get('person_id') else ''
    text = escape(str(row.get('transcript') or '')) or '<small>none</small>'
    return (f'<tr id="u{utterance.number}"><td class="num dim">{utterance.number}</td>'
            f'<td class="num">{axis.since(utterance.start)}</td>'
            f'<td class="num">{utterance.end - utterance.start:.2f} s</td>'
            f'<td><span class="chip"><i class="swatch {colour_of(label)}"></i>{escape(label)}'
            f'</span><small>{row["confidence"]:.1%}{state}</small></td>'
            f'<td><div class="bars">{bars}</div></td><td><div class="weights">{weights}</div></td>'
            f'<td class="num">{row["valence"]:+.2f}<br>{row["arousal"]:+.2f}</td>'
            f'<td class="num">{latency}</td><td class="text">{who}{text}</td></tr>')
