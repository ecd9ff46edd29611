"""The timeline page: what a reader of it can rely on."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path
import re
from typing import Any

from mmer_ros.report.timeline_page import Timeline, write_timeline
from mmer_ros.types import EMOTIONS, Estimate, InvalidInput, Modality
import numpy as np
import pytest

ALL = Modality.TEXT | Modality.AUDIO | Modality.FACE
NASTY = '</span><script>alert("x")</script> \' onload="y" & <img src=//evil>'
START = 1_700_000_000.5
JPEG = b'\xff\xd8\xff\xe0 any bytes \xff\xd9'
VOID = {'meta', 'img', 'path', 'br', 'link', 'input', 'hr'}


class Page(HTMLParser):
    """A page taken apart; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or '' for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or '' for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ('script', 'style'):
            self.text.append(data)

    @property
    def words(self) -> str:
        return ' '.join(''.join(self.text).split())

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [a for _, a in self.tags if name in a.get('class', '').split()]


def estimate(number: int, start: float, end: float, *, label: str = 'joy', final: bool = True,
             modalities: Modality = ALL, transcript: str = '', **more: Any) -> dict[str, Any]:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[EMOTIONS.index(label)] = 0.7
    there = [float(m in modalities) for m in (Modality.TEXT, Modality.AUDIO, Modality.FACE)]
    weights = (there[0] / sum(there), there[1] / sum(there), there[2] / sum(there))
    row = Estimate(
        probabilities=probabilities, logits=np.log(probabilities), modalities=modalities,
        modality_weights=weights, valence=0.25, arousal=-0.5, calibrated=True, trained=True,
        bundle_name='b', bundle_hash='h', utterance_id=f'utterance-{number}', stamp=START + end,
        start=START + start, end=START + end, final=final, transcript=transcript).to_dict()
    return {**row, **more}


def page(tmp_path: Path, *, seconds: float = 40.0, **parts: Any) -> tuple[str, Page]:
    timeline = Timeline(**{'title': 'A session', 'start': START, 'end': START + seconds,
                           'estimates': [], **parts})
    write_timeline(timeline, tmp_path / 'page.html')
    text = (tmp_path / 'page.html').read_text(encoding='utf-8')
    return text, Page(text)


def place(attributes: dict[str, str]) -> tuple[float, float]:
    """Return left and width, percent."""
    match = re.search(r'left:([\d.]+)%;width:([\d.]+)%', attributes['style'])
    assert match, attributes
    return float(match[1]), float(match[2])


def test_every_text_is_escaped(tmp_path: Path) -> None:
    row = estimate(1, 1, 3, transcript=NASTY, person_id=NASTY)
    text, parsed = page(
        tmp_path, title=NASTY, estimates=[row], transcripts=[(START + 2, NASTY)],
        labels=[{'start': START + 1, 'end': START + 3, 'emotion': 'joy', 'text': NASTY}],
        notes=[NASTY], warning=NASTY, facts={NASTY: NASTY})
    assert 'alert("x")' not in text
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert not [a for _, a in parsed.tags if 'onload' in a or 'evil' in a.get('src', '')]
    # title (2), person, transcript in lane and table, note, warning, fact's name and value
    assert ''.join(parsed.text).count(NASTY) == 9


def test_page_needs_nothing_else(tmp_path: Path) -> None:
    text, parsed = page(tmp_path, estimates=[estimate(1, 1, 3)],
                        thumbnails=[(START + 1, JPEG)], envelope=[0.1, 0.9])
    assert 'http:' not in text and 'https:' not in text
    assert '@import' not in text and 'url(' not in text
    assert not [tag for tag, _ in parsed.tags if tag in ('link', 'iframe', 'object', 'video')]
    sources = [a[name] for _, a in parsed.tags for name in ('src', 'srcset', 'href') if name in a]
    assert sources and all(s.startswith(('data:image/jpeg;base64,', '#')) for s in sources)
    image = parsed.of_class('thumb')[0]['src'].partition(',')[2]
    assert base64.b64decode(image) == JPEG


def test_browser_runs_the_page_s_own_script_only(tmp_path: Path) -> None:
    text, parsed = page(tmp_path)
    policy = next(a['content'] for _, a in parsed.tags
                  if a.get('http-equiv') == 'Content-Security-Policy')
    script = text.partition('<script>')[2].partition('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_every_utterance_is_in_the_lanes_and_the_table(tmp_path: Path) -> None:
    rows = [estimate(i, 5 * i, 5 * i + 4, label=label, transcript=f'words of {i}',
                     latency=0.1 + i / 1000) for i, label in enumerate(EMOTIONS)]
    _, parsed = page(tmp_path, estimates=rows[::-1])
    blocks = parsed.of_class('block')
    assert [b['class'].split()[1] for b in blocks] == [f'e-{label}' for label in EMOTIONS]
    ids = [a['id'] for tag, a in parsed.tags if tag == 'tr' and 'id' in a]
    assert [b['href'] for b in blocks] == [f'#{name}' for name in ids]
    assert len(parsed.of_class('stack')) == len(parsed.of_class('mods')) == 7
    for index, label in enumerate(EMOTIONS):
        assert f'words of {index}' in parsed.words
        assert f'{100 + index} ms' in parsed.words
        assert f'{label}70%' in parsed.words.replace(' ', '')


def test_last_final_estimate_of_an_utterance_wins(tmp_path: Path) -> None:
    rows = [estimate(1, 1, 2, label='anger', final=False),
            estimate(1, 1, 4, label='sadness'),
            estimate(1, 1, 4, label='fear', revision=1),
            estimate(1, 1, 3, label='anger', final=False)]  # late, out of order
    _, parsed = page(tmp_path, estimates=rows)
    block, = parsed.of_class('block')
    assert 'e-fear' in block['class'] and 'partial' not in block['class'].split()
    assert place(block) == pytest.approx((2.5, 7.5))
    assert len(parsed.of_class('belief')) == 2


def test_utterance_without_final_estimate_is_marked(tmp_path: Path) -> None:
    rows = [estimate(1, 1, 2, label='anger', final=False),
            estimate(1, 1, 3, label='fear', final=False)]
    _, parsed = page(tmp_path, estimates=rows)
    block, = parsed.of_class('block')
    assert {'e-fear', 'partial'} <= set(block['class'].split())
    assert 'no final estimate' in block['title']


def test_estimates_without_an_utterance_id_are_not_merged(tmp_path: Path) -> None:
    rows = [estimate(1, 1, 2, utterance_id=''), estimate(2, 3, 4, utterance_id='')]
    assert len(page(tmp_path, estimates=rows)[1].of_class('block')) == 2


def test_positions_are_proportional_to_time_in_every_lane(tmp_path: Path) -> None:
    _, parsed = page(
        tmp_path, estimates=[estimate(1, 10, 18, latency=0.4)],
        speech=[(START + 10, START + 18)], face_stamps=[START + 14],
        transcripts=[(START + 16, 'hello')],
        labels=[{'start': START + 10, 'end': START + 18, 'emotion': 4}])
    for name in ('band', 'voiced', 'block', 'stack', 'mods', 'ms'):
        for item in parsed.of_class(name):
            assert place(item) == pytest.approx((25, 20), abs=1e-3), name
    assert len(parsed.of_class('block')) == 2  # estimate and truth
    assert place(parsed.of_class('lag')[0]) == pytest.approx((45, 1), abs=1e-3)
    assert parsed.of_class('face')[0]['style'] == 'left:35.0000%'
    assert parsed.of_class('pin')[0]['style'] == 'left:40.0000%'


def test_what_lies_outside_the_axis_is_cut_to_it(tmp_path: Path) -> None:
    rows = [estimate(1, -2, 4), estimate(2, 36, 50), estimate(3, 60, 70)]
    _, parsed = page(tmp_path, estimates=rows, face_stamps=[START - 1, START + 41])
    assert [place(b) for b in parsed.of_class('block')] == [(0, 10), (90, 10)]
    assert not parsed.of_class('face')
    assert sum('id' in a for tag, a in parsed.tags if tag == 'tr') == 3


def test_thumbnails_that_show_together_do_not_overlap(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    stamps = np.sort(rng.uniform(0, 40, 150))
    text, parsed = page(tmp_path, thumbnails=[(START + s, JPEG) for s in stamps])
    widths = {name: float(low) for low, name in re.findall(
        r'@container plot \(min-width:(\d+)px\)[^{]*\{\.(f\d+)\{display:block', text)}
    widths['f0'] = 400  # the least that the page gives the plot
    for level, width in widths.items():
        lefts = [float(re.findall(r',([\d.]+)%,', a['style'])[0]) * width / 100
                 for a in parsed.of_class('thumb') if level in a['class'].split()]
        lefts = [min(max(left, 42), width - 42) for left in lefts]
        assert lefts and np.all(np.diff(lefts) >= 80)
    most = [a for a in parsed.of_class('thumb') if 'f4' in a['class'].split()]
    assert len(most) >= 0.7 * widths['f4'] / 84  # and the room is used


def test_overlapping_utterances_get_tracks_of_their_own(tmp_path: Path) -> None:
    rows = [estimate(1, 1, 5), estimate(2, 4, 8), estimate(3, 5, 9)]
    text, parsed = page(tmp_path, estimates=rows)
    assert [b['style'][-5:] for b in parsed.of_class('block')] == ['--r:0', '--r:1', '--r:0']
    assert '--rows:2' in text


def test_missing_modalities_are_hollow(tmp_path: Path) -> None:
    rows = [estimate(1, 1, 3, modalities=Modality.AUDIO), estimate(2, 5, 9)]
    text, parsed = page(tmp_path, estimates=rows)
    assert len(parsed.of_class('off')) == 4  # text and face, in lane and table
    tip = parsed.of_class('mods')[0]['title']
    assert tip.split('\n') == ['text: missing', 'audio: weight 100%', 'face: missing']
    assert text.count('--w:100.0%') == 2 and text.count('--w:33.3%') == 6


def test_truth_says_whether_the_estimate_agrees(tmp_path: Path) -> None:
    labels = [{'start': START + 1, 'end': START + 3, 'emotion': 'joy', 'text': 'a'},
              {'start': START + 5, 'end': START + 7, 'emotion': 'fear', 'text': 'b'},
              {'start': START + 20, 'end': START + 21, 'emotion': 0, 'text': 'c'}]
    text, parsed = page(tmp_path, labels=labels, estimates=[
        estimate(1, 0.8, 3.2, label='joy'), estimate(2, 5, 7, label='anger')])
    assert text.count('class="yes"') == text.count('class="no"') == 1
    assert '1 of 3 labels agree' in parsed.words


def test_empty_recording_gives_a_page_that_says_so(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, seconds=0.0)
    for words in ('No estimate arrived', 'no camera images', 'no audio', 'no transcript'):
        assert words in parsed.words
    assert not parsed.of_class('warning') and not [t for t, _ in parsed.tags if t == 'table']


def test_warning_facts_and_notes_are_shown(tmp_path: Path) -> None:
    _, parsed = page(tmp_path, warning='UNTRAINED WEIGHTS: demo', facts={'Device': 'cpu'},
                     notes=['no reply used'])
    assert parsed.of_class('warning')[0]['role'] == 'alert'
    for words in ('UNTRAINED WEIGHTS: demo', 'Device', 'cpu', 'no reply used'):
        assert words in parsed.words


def test_envelope_spans_the_axis_and_keeps_its_peaks(tmp_path: Path) -> None:
    envelope = [0.0] * 100_000
    envelope[50_000] = 0.9
    text, parsed = page(tmp_path, envelope=envelope)
    path = next(a['d'] for tag, a in parsed.tags if tag == 'path')
    points = [tuple(map(float, point.split())) for point in path.strip('MZ').split('L')]
    assert len(points) < 8_000 and len(text) < 300_000
    peak = min(points, key=lambda point: point[1])
    assert peak[1] == pytest.approx(0.1) and peak[0] == pytest.approx(500, abs=1)
    assert points[0][0] < 1 and max(x for x, _ in points) > 999


@pytest.mark.parametrize('end', [START - 1, float('nan'), float('inf')])
def test_axis_must_be_a_time_span(end: float) -> None:
    with pytest.raises(InvalidInput, match='not a time span'):
        Timeline(title='t', start=START, end=end, estimates=[])
