# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The pages of a replay, of several, and of a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
import json
from pathlib import Path
import re
import shutil
from typing import Any

import cv2
from mmer_ros.cli.main import main
from mmer_ros.replay import merged_summary, replay_bag, ReplayOptions, ReplayResult
from mmer_ros.replay.comparison import load_comparison
from mmer_ros.replay.thumbnails import Thumbnails
from mmer_ros.report import replay_page as page
from mmer_ros.report.comparison_page import render_comparison
from mmer_ros.report.figures import stage_counts
from mmer_ros.report.overview_page import render_overview
from mmer_ros.report.replay_page import render_page, write_page
from mmer_ros.types import EMOTIONS, FaceCrop, InvalidInput, VideoFrame
import numpy as np
import pytest

from ..fixtures.pages import Parsed
from ..fixtures.replay import compact, NO_IMAGES, replay, rewrite
from ..fixtures.stream import SAMPLE

TRUTH = SAMPLE / 'labels.csv'


@pytest.fixture(scope='module')
def result(tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """Return a replay with everything on its page, timed by a clock that ticks."""
    folder = tmp_path_factory.mktemp('pages')
    ticks = count(step=0.001)
    found = replay_bag(
        rewrite(folder / 'talk'), ReplayOptions(
            labels=TRUTH, output=folder / 'out', partial_rate=0, threads=0, detect_ahead=0),
        recognizer=compact(), clock=lambda: next(ticks))
    write_page(found)
    return found


def text_of(result: ReplayResult) -> str:
    assert result.folder is not None
    return (result.folder / 'report.html').read_text(encoding='utf-8')


def test_the_page_has_all_that_was_asked_for(result: ReplayResult) -> None:
    text = text_of(result)
    parsed = Parsed(text)
    sections = [a['id'] for tag, a in parsed.tags if tag == 'section']
    assert sections == ['answer', 'timeline', 'measures', 'utterances', 'origin']
    for title in ('People', 'person1', 'Input', 'Words', 'Probability', 'Weight', 'Segmentation',
                  'Confidence against correctness', 'Stages', 'Balanced accuracy',
                  'UNTRAINED WEIGHTS', 'These are guesses', 'Treat it like the recording'):
        assert title in parsed.words
    assert len([a for a in parsed.of_class('block') if a.get('href')]) == 2
    assert len(parsed.of_class('speaks')) == 2
    for row in result.estimates:
        assert row['transcript'] in parsed.words


def test_the_page_needs_nothing_else(result: ReplayResult) -> None:
    text = text_of(result)
    assert 'http:' not in text and 'https:' not in text and 'url(' not in text
    parsed = Parsed(text)
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    sources = [a['src'] for tag, a in parsed.tags if tag == 'img']
    assert len(parsed.of_class('thumb')) == 2 < len(sources)  # one an utterance; the moments
    assert all(s.startswith('data:image/jpeg;base64,') for s in sources)


def test_the_page_can_be_made_again_from_the_files(result: ReplayResult) -> None:
    assert result.folder is not None
    assert render_page(ReplayResult.load(result.folder)) == text_of(result)


def test_each_utterance_has_a_picture_of_its_middle(result: ReplayResult) -> None:
    pictures = result.tracks['thumbnails']
    assert [p['utterance_id'] for p in pictures] == [
        row['utterance_id'] for row in result.estimates]
    for picture, row in zip(pictures, result.estimates):
        assert abs(picture['stamp'] - (row['start'] + row['end']) / 2) < 0.3


def test_the_stages_hold_each_final_estimate_and_each_image(result: ReplayResult) -> None:
    counts = {name: sum(c.values()) for name, _, c in stage_counts(result.run, [0.2, 0.3])}
    assert counts['waiting for the end'] == counts['fusion'] == counts['all computing'] == 2
    assert 30 <= counts['face detection, an image'] <= 5 * 7.6 + 1


def test_availability_over_time_adds_up_to_the_share(result: ReplayResult) -> None:
    over, shares = result.summary['availability_over_time'], result.summary['availability']
    assert over['window_s'] == 10 and len(over['audio']) == 1
    for kind in ('image', 'audio', 'face'):
        assert over[kind][0] == pytest.approx(shares[kind], abs=0.03)


@pytest.mark.parametrize(('option', 'shown'), [('--no-pictures', False), ('--no-report', None)])
def test_pictures_and_page_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                           option: str, shown: bool | None) -> None:
    monkeypatch.chdir(tmp_path)
    path = rewrite(tmp_path / 'talk', until_s=4.3)
    arguments = [str(path), option, '--output', 'out', '--topics', 'audio=/audio']
    assert main(['replay', *arguments]) == 0
    out = tmp_path / 'out'
    assert not (out / 'thumbnails').exists()
    assert (out / 'report.html').exists() is (shown is not None)
    if shown is not None:
        assert '<img' not in (out / 'report.html').read_text()


# -- blurring -------------------------------------------------------------------------------


def frames(faces: dict[int, bool]) -> Iterator[tuple[VideoFrame, list[FaceCrop]]]:
    """Yield five noisy images a second; in those that say so, a face is found."""
    rng = np.random.default_rng(0)
    for index, found in faces.items():
        image = rng.integers(0, 256, (96, 128, 3), np.uint8)
        crop = FaceCrop(index / 5, 'f', np.zeros((160, 160, 3), np.uint8), (51, 29, 77, 58))
        yield VideoFrame(index / 5, image), [crop] if found else []


def written(folder: Path, mode: str, faces: dict[int, bool]) -> np.ndarray[Any, Any] | None:
    pictures = Thumbnails(folder, mode)
    for frame, crops in frames(faces):
        pictures.add_frame(frame, crops)
    pictures.add_estimate({'final': True, 'revision': 0, 'start': 1.0, 'end': 2.0, 'face_id': '',
                           'utterance_id': 'u'})
    file = folder / 'thumbnails' / '00000.jpg'
    return cv2.imread(str(file)) if file.exists() else None


def rough(image: np.ndarray[Any, Any]) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_a_face_is_blurred_also_where_it_was_overlooked_for_a_moment(tmp_path: Path) -> None:
    seen = {i: i != 7 for i in range(12)}  # the middle of the utterance is at 1.5 s: image 7 or 8
    seen[8] = False
    for number, faces in enumerate((dict.fromkeys(range(12), True), seen)):
        shown = written(tmp_path / f's{number}', 'show', faces)
        hidden = written(tmp_path / f'b{number}', 'blur', faces)
        assert shown is not None and hidden is not None
        assert rough(hidden[29:58, 51:77]) < rough(shown[29:58, 51:77]) / 5
        assert rough(hidden[:, :30]) > 10  # the rest is there


def test_without_any_face_the_whole_picture_is_blurred(tmp_path: Path) -> None:
    hidden = written(tmp_path, 'blur', dict.fromkeys(range(12), False))
    assert hidden is not None and rough(hidden) < 8


def test_no_pictures_are_kept_if_none_are_wanted(tmp_path: Path) -> None:
    assert written(tmp_path, 'none', dict.fromkeys(range(12), True)) is None
    with pytest.raises(InvalidInput, match='expected show, blur, none'):
        ReplayOptions(faces='pixelate')


# -- many, and two --------------------------------------------------------------------------


@pytest.fixture(scope='module')
def other(result: ReplayResult, tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """Return a second run: without camera, and its first answer changed."""
    folder = tmp_path_factory.mktemp('other') / 'deaf'
    write_page(replay(Path(result.bag), topics=NO_IMAGES, labels=TRUTH, output=folder))
    lines = (folder / 'estimates.jsonl').read_text().splitlines()
    row = json.loads(lines[0])
    row['probabilities'] = {name: float(name == 'neutral') for name in EMOTIONS}
    row |= {'label': 'neutral', 'emotion': 0, 'confidence': 1.0}
    (folder / 'estimates.jsonl').write_text('\n'.join([json.dumps(row), *lines[1:]]) + '\n')
    return ReplayResult.load(folder)


def test_one_page_leads_to_each_of_many(result: ReplayResult, other: ReplayResult) -> None:
    broken = ReplayResult('/bags/<broken>', error='no recording & nothing')
    results = [result, other, broken]
    parsed = Parsed(render_overview(results, merged_summary(results)))
    links = [a['href'] for tag, a in parsed.tags if tag == 'a' and a['href'].endswith('.html')]
    assert links == ['out/report.html', 'deaf/report.html']
    assert '<broken>: no recording & nothing' in parsed.words
    assert 'All labelled utterances together' in parsed.words and '4/4' in parsed.words


def test_a_comparison_counts_the_differences(result: ReplayResult, other: ReplayResult) -> None:
    assert result.folder is not None and other.folder is not None
    comparison = load_comparison(result.folder, other.folder)
    assert comparison.names == ('out', 'deaf')
    rows = comparison.paired()[0]
    assert [(r.first or {})['utterance_id'] for r in rows] == [
        r['utterance_id'] for r in result.estimates]
    found = comparison.to_dict()
    assert found['utterances'] == {'both': 2, 'only_first': 0, 'only_second': 0}
    right = [[row['label'] == r.truth for row in (r.first, r.second) if row] for r in rows]
    assert found['right']['only_second'] == right.count([False, True])
    gap = found['differences']['accuracy']['value']
    assert gap == pytest.approx(np.mean([b - a for a, b in np.array(right, float)]))
    parsed = Parsed(render_comparison(comparison))
    differ = sum(r.differs for r in rows)
    assert f'the same answer to {2 - differ} of 2 utterances' in parsed.words
    assert len(parsed.of_class('marked')) == differ
    assert len([a for a in parsed.of_class('block') if a.get('href')]) == 4


def test_a_run_compared_with_itself_is_the_same_to_the_bit(
        result: ReplayResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['compare', str(result.folder), str(result.folder)]) == 0
    found = json.loads((tmp_path / 'comparison.json').read_text())
    assert found['same_bits'] == found['same_answer'] == 1.0
    assert found['differences']['weighted_f1']['value'] == 0
    words = Parsed((tmp_path / 'comparison.html').read_text()).words
    assert '100.0' in words and 'A and B give the same answer to 2 of 2 utterances' in words
    assert 'each finds' in words and 'These are guesses' in words


def test_what_cannot_be_compared_is_reported(result: ReplayResult, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['compare', str(result.folder), 'nowhere']) == 2
    assert result.folder is not None
    shutil.copytree(result.folder, tmp_path / 'later')
    summary = json.loads((tmp_path / 'later' / 'summary.json').read_text())
    summary['start'] += 100
    (tmp_path / 'later' / 'summary.json').write_text(json.dumps(summary))
    with pytest.raises(InvalidInput, match='not of the same recordings'):
        load_comparison(result.folder, tmp_path / 'later')


def test_a_long_recording_gives_a_page_of_bounded_size(result: ReplayResult,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred times the recording: 25 minutes of talk, 400 utterances."""
    monkeypatch.setattr(page, 'MAX_PICTURES', 150)
    laps, length = range(200), result.summary['duration_s']

    def later(row: dict[str, Any], lap: int) -> dict[str, Any]:
        times = ('start', 'end', 'stamp', 'published')
        return {**row, **{name: row[name] + lap * length for name in times if name in row},
                'utterance_id': f'{row.get("utterance_id")}-{lap}'}

    tracks = {**result.tracks, 'faces': {
        f'{name}-{lap}': [[a + lap * length, b + lap * length] for a, b in spans]
        for lap in laps for name, spans in result.tracks['faces'].items()}}
    for name in ('thumbnails', 'transcripts'):
        tracks[name] = [later(row, lap) for lap in laps for row in result.tracks[name]]
    long = replace(result, estimates=[later(r, lap) for lap in laps for r in result.estimates],
                   tracks=tracks, evaluation=None,
                   summary={**result.summary, 'duration_s': 200 * length, 'evaluation': None})
    text = render_page(long)
    parsed = Parsed(text)
    assert len([a for tag, a in parsed.tags if tag == 'tr' and 'id' in a]) == 400
    pictures = re.findall('base64,([^"]+)', text)
    assert 100 <= len(pictures) <= 150
    assert len(text) - sum(map(len, pictures)) < 400 * 6_500
    assert max(map(len, pictures)) < 5_000
