# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The timeline and the answer: the lanes and the sentence that a reader can rely on."""

from __future__ import annotations

import base64
import re
from typing import Any

from mmer_ros.report.answer import Answer, overall
from mmer_ros.report.axis import WIDTHS
from mmer_ros.report.page import environment, render
from mmer_ros.report.timeline import Timeline
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
import pytest

from ..fixtures.pages import estimate, JPEG, NASTY, Parsed, START

BODY = """{% from 'macros.html' import framed %}
{% call framed('answer', 'Result') %}{% include 'answer.html' %}{% endcall %}
{% call framed('timeline', 'Timeline') %}{% include 'timeline.html' %}{% endcall %}
{% call framed('utterances', 'Utterances') %}{% include 'utterances.html' %}{% endcall %}"""


def page(seconds: float = 40.0, **parts: Any) -> tuple[str, Parsed]:
    """Return the page of a recording and its parts."""
    timeline = Timeline(**{'start': START, 'end': START + seconds, **parts})
    text = render(environment().from_string(BODY), 'A session', timeline=timeline,
                  answer=Answer(timeline))
    return text, Parsed(text)


def place(attributes: dict[str, str]) -> tuple[float, float]:
    """Return left and width, percent."""
    match = re.search(r'left:([\d.]+)%;width:([\d.]+)%', attributes['style'])
    assert match, attributes
    return float(match[1]), float(match[2])


def test_every_text_is_escaped() -> None:
    spoken = estimate(1, 1, 3, transcript=NASTY, person_id=NASTY, face_id=NASTY)
    text, parsed = page(
        estimates=[spoken], transcripts=[(START + 2, NASTY)],
        labels=[{'start': START + 1, 'end': START + 3, 'emotion': NASTY, 'text': NASTY,
                 'speaker': NASTY}],
        faces={NASTY: [(START + 1, START + 3)]}, persons={NASTY: NASTY},
        inputs={NASTY: [(START, START + 9)]},
        events=[{'stamp': START, 'text': NASTY}])
    assert 'alert("x")' not in text
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert not [a for _, a in parsed.tags if 'onload' in a or 'evil' in a.get('src', '')]
    # sentence, name, who and words of the answer; name, words and input of the lanes, truth; the
    # table's two
    assert ''.join(parsed.text).count(NASTY) == 10


def test_pictures_are_within_the_page() -> None:
    _, parsed = page(estimates=[estimate(1, 1, 3)], thumbnails=[(START + 2, JPEG)])
    image = parsed.of_class('thumb')[0]['src'].partition(',')[2]
    assert base64.b64decode(image) == JPEG
    sources = [a[name] for _, a in parsed.tags for name in ('src', 'srcset', 'href') if name in a]
    assert sources and all(s.startswith(('data:image/jpeg;base64,', '#')) for s in sources)


def test_every_utterance_is_in_the_lanes_and_the_table() -> None:
    rows = [estimate(i, 5 * i, 5 * i + 4, label=label, transcript=f'words of {i}',
                     latency=0.1 + i / 1000) for i, label in enumerate(EMOTIONS)]
    _, parsed = page(estimates=rows[::-1])
    blocks = parsed.of_class('block')
    assert [b['class'].split()[1] for b in blocks] == [f'e-{label}' for label in EMOTIONS]
    ids = [a['id'] for tag, a in parsed.tags if tag == 'tr' and 'id' in a]
    assert [b['href'] for b in blocks] == [f'#{name}' for name in ids]
    assert len(parsed.of_class('stack')) == len(parsed.of_class('mods')) == 7
    for index, label in enumerate(EMOTIONS):
        assert f'words of {index}' in parsed.words
        assert f'{100 + index} ms' in parsed.words
        assert f'{label}{label[:3]}70%' in parsed.words.replace(' ', '')  # one of both is seen


def test_last_final_estimate_of_an_utterance_wins() -> None:
    rows = [estimate(1, 1, 2, label='anger', final=False),
            estimate(1, 1, 4, label='sadness'),
            estimate(1, 1, 4, label='fear', revision=1),
            estimate(1, 1, 3, label='anger', final=False)]  # late, out of order
    _, parsed = page(estimates=rows)
    block, = parsed.of_class('block')
    assert 'e-fear' in block['class'] and 'partial' not in block['class'].split()
    assert place(block) == pytest.approx((2.5, 7.5))
    assert len(parsed.of_class('belief')) == 2


def test_utterance_without_final_estimate_is_marked() -> None:
    rows = [estimate(1, 1, 2, label='anger', final=False),
            estimate(1, 1, 3, label='fear', final=False)]
    _, parsed = page(estimates=rows)
    block, = parsed.of_class('block')
    assert {'e-fear', 'partial'} <= set(block['class'].split())
    assert 'no final estimate' in block['title']


def test_estimates_without_an_utterance_id_are_not_merged() -> None:
    rows = [estimate(1, 1, 2, utterance_id=''), estimate(2, 3, 4, utterance_id='')]
    assert len(page(estimates=rows)[1].of_class('block')) == 2


def test_positions_are_proportional_to_time_in_every_lane() -> None:
    _, parsed = page(
        estimates=[estimate(1, 10, 18, latency=0.4)],
        speech=[(START + 10, START + 18)],
        transcripts=[(START + 16, 'hello')],
        labels=[{'start': START + 10, 'end': START + 18, 'emotion': 4}])
    for name in ('band', 'voiced', 'block', 'stack', 'mods', 'ms'):
        for item in parsed.of_class(name):
            assert place(item) == pytest.approx((25, 20), abs=1e-3), name
    assert len(parsed.of_class('block')) == 2  # estimate and truth
    assert place(parsed.of_class('lag')[0]) == pytest.approx((45, 1), abs=1e-3)
    assert parsed.of_class('pin')[0]['style'] == 'left:40.0000%'


def test_what_lies_outside_the_axis_is_cut_to_it() -> None:
    rows = [estimate(1, -2, 4), estimate(2, 36, 50), estimate(3, 60, 70)]
    _, parsed = page(estimates=rows)
    assert [place(b) for b in parsed.of_class('block')] == [(0, 10), (90, 10)]
    assert sum('id' in a for tag, a in parsed.tags if tag == 'tr') == 3


def test_thumbnails_that_show_together_do_not_overlap() -> None:
    rng = np.random.default_rng(1)
    stamps = np.sort(rng.uniform(0, 40, 150))
    text, parsed = page(thumbnails=[(START + s, JPEG) for s in stamps])
    widths = {name: float(low) for low, name in re.findall(
        r'@container plot \(min-width: (\d+)px\)[^{]*\{ \.(f\d+) \{', text)}
    assert len(widths) == len(WIDTHS)
    widths['f0'] = 400  # the least that the page gives the plot
    for level, width in widths.items():
        lefts = [float(re.findall(r',([\d.]+)%,', a['style'])[0]) * width / 100
                 for a in parsed.of_class('thumb') if level in a['class'].split()]
        lefts = [min(max(left, 42), width - 42) for left in lefts]
        assert lefts and np.all(np.diff(lefts) >= 80)
    most = [a for a in parsed.of_class('thumb') if 'f4' in a['class'].split()]
    assert len(most) >= 0.7 * widths['f4'] / 84  # and the room is used


def test_overlapping_utterances_get_tracks_of_their_own() -> None:
    rows = [estimate(1, 1, 5), estimate(2, 4, 8), estimate(3, 5, 9)]
    text, parsed = page(estimates=rows)
    assert [b['style'][-5:] for b in parsed.of_class('block')] == ['--r:0', '--r:1', '--r:0']
    assert '--rows:2' in text


def test_missing_modalities_are_hollow() -> None:
    rows = [estimate(1, 1, 3, modalities=Modality.AUDIO), estimate(2, 5, 9)]
    text, parsed = page(estimates=rows)
    assert len(parsed.of_class('off')) == 4  # text and face, in lane and table
    tip = parsed.of_class('mods')[0]['title']
    assert tip.split('\n') == ['text: missing', 'audio: weight 100 %', 'face: missing']
    assert text.count('--w:100.0%') == 2 and text.count('--w:33.3%') == 6


def test_truth_marks_whether_the_estimate_agrees() -> None:
    labels = [{'start': START + 1, 'end': START + 3, 'emotion': 'joy', 'text': 'a'},
              {'start': START + 5, 'end': START + 7, 'emotion': 'fear', 'text': 'b'},
              {'start': START + 20, 'end': START + 21, 'emotion': 0, 'text': 'c'}]
    text, parsed = page(labels=labels, estimates=[
        estimate(1, 0.8, 3.2, label='joy'), estimate(2, 5, 7, label='anger')])
    assert text.count('class="yes"') == text.count('class="no"') == 1


def test_a_person_has_one_row_and_one_name_however_many_faces_were_tracked() -> None:
    rows = [estimate(1, 1, 4, face_id='face1', person_id='person1'),
            estimate(2, 20, 24, face_id='face3', person_id='person1'),
            estimate(3, 30, 32, face_id='face4')]
    _, parsed = page(estimates=rows, persons={'face1': 'person1', 'face3': 'person1'}, faces={
        'face4': [(START + 29, START + 33)], 'face3': [(START + 18, START + 25)],
        'face1': [(START, START + 5)]})
    seen = parsed.of_class('track')
    assert [(one['title'], one['style'][-1]) for one in seen] == [
        ('person1, 0.00 s to 5.00 s', '0'), ('person1, 18.00 s to 25.00 s', '0'),
        ('person1 speaks, 1.00 s to 4.00 s', '0'), ('person1 speaks, 20.00 s to 24.00 s', '0'),
        ('face4, 29.00 s to 33.00 s', '1'), ('face4 speaks, 30.00 s to 32.00 s', '1')]
    assert len(parsed.of_class('name')) == 1
    assert {u.who for u in Timeline(start=START, end=START + 40, estimates=rows).utterances} == {
        'person1', 'face4'}


def test_empty_recording_gives_a_page_that_explains_itself() -> None:
    _, parsed = page(seconds=0.0)
    for words in ('No speech was found in 0 ms, and no estimate came', 'no camera images',
                  'no audio', 'no transcript', 'These are guesses'):
        assert words in parsed.words
    assert not parsed.of_class('moments') and not parsed.of_class('strip')


def test_envelope_spans_the_axis_and_keeps_its_peaks() -> None:
    envelope = [0.0] * 100_000
    envelope[50_000] = 0.9
    text, parsed = page(envelope=envelope)
    path = next(a['d'] for tag, a in parsed.tags if tag == 'path')
    points = [tuple(map(float, point.split())) for point in path.strip('MZ').split('L')]
    assert len(points) < 8_000 and len(text) < 300_000
    peak = min(points, key=lambda point: point[1])
    assert peak[1] == pytest.approx(0.1) and peak[0] == pytest.approx(500, abs=1)
    assert points[0][0] < 1 and max(x for x, _ in points) > 999


@pytest.mark.parametrize('end', [START - 1, float('nan'), float('inf')])
def test_axis_must_be_a_time_span(end: float) -> None:
    with pytest.raises(InvalidInput, match='not a time span'):
        Timeline(start=START, end=end)


# -- the answer -----------------------------------------------------------------------------

TALK = [
    estimate(1, 0, 4, label='joy', person_id='anna', confidence=.9, transcript='such a day'),
    estimate(2, 5, 6, label='anger', person_id='anna', confidence=.7),
    estimate(3, 8, 10, label='neutral', face_id='face2', confidence=.95),
    estimate(4, 12, 14, label='fear', face_id='face2', confidence=.6, transcript='who is there'),
    estimate(5, 16, 18, label='sadness', confidence=.5)]


def answer(estimates: list[dict[str, Any]], **parts: Any) -> Answer:
    return Answer(Timeline(start=START, end=START + 40, estimates=estimates, **parts))


def test_the_sentence_names_who_showed_what_when_and_how_surely() -> None:
    assert answer(TALK).sentence == (
        'In 40.0 s, anna showed mostly joy (80 % of the speech), face2 was neutral (50 %) and '
        'showed fear (50 %), and 1 utterance came from an unknown speaker; 73 % sure on average, '
        'most of all at 0.0 s (joy, 90 %).')
    assert answer(TALK[4:]).sentence == (
        'In 40.0 s, unknown speaker showed mostly sadness (100 % of the speech); 50 % sure on '
        'average, most of all at 16.0 s (sadness, 50 %).')


def test_given_labels_are_counted_and_each_difference_says_what_it_rests_on() -> None:
    assert answer(TALK).verdict == []
    right = TALK[0] | {'truth': 'joy', 'agrees': True}
    wrong = TALK[1] | {
        'truth': 'fear', 'agrees': False, 'modalities': ['text', 'face'],
        'modality_weights': {'text': .25, 'audio': 0., 'face': .75},
        'probabilities': {'anger': .7, 'joy': .2, 'fear': .1}}
    assert answer([right, wrong, *TALK[2:]]).verdict == [
        '1 of 2 given labels agree.',
        '5.0 s: anger 70 % instead of fear, which is number 3 with 10 %; weights: text 25 %, '
        'face 75 %']


def test_each_speaker_has_shares_of_the_speaking_time_that_add_up() -> None:
    anna, face2, unknown = answer(TALK).everybody
    assert [p.name for p in (anna, face2, unknown)] == ['anna', 'face2', 'unknown speaker']
    assert anna.shares == {'joy': .8, 'anger': .2}
    assert anna.seconds == 5 and anna.confidence == pytest.approx(.8)
    assert all(sum(person.shares.values()) == pytest.approx(1) for person in (face2, unknown))


def test_many_speakers_have_rows_up_to_a_number_and_the_others_a_line() -> None:
    crowd = [estimate(i, 4 * i, 4 * i + 1, person_id=f'p{i}') for i in range(9)]
    found = answer(crowd)
    assert [p.name for p in found.people] == [f'p{i}' for i in range(5)]
    assert found.others == '4 more speakers with 4 utterances'
    assert ('p0 showed mostly joy (100 % of the speech), p1 showed mostly joy (100 %), and '
            '7 more spoke') in found.sentence


def test_the_strongest_moments_are_the_surest_that_are_not_neutral() -> None:
    pictures = [(START + s, b'%d' % s) for s in (1, 2, 3, 13, 30)]
    found = answer(TALK, thumbnails=pictures).moments
    assert [(u.label, when) for u, when, _ in found] == [
        ('joy', '0.0 s'), ('anger', '5.0 s'), ('fear', '12.0 s')]
    assert [base64.b64decode(picture.partition(',')[2]) for *_, picture in found] == [
        b'2', b'', b'13']
    _, parsed = page(estimates=TALK, thumbnails=pictures)
    assert 'joy 90 % · 0.0 s · anna' in parsed.words and parsed.words.count('such a day') == 2
    assert [u.label for u, _, _ in answer(TALK[2:3]).moments] == ['neutral']


def test_partial_estimates_are_not_moments_while_there_are_final_ones() -> None:
    rows = [*TALK, estimate(6, 20, 21, final=False, confidence=.99)]
    assert all(utterance.is_final for utterance, _, _ in answer(rows).moments)


def test_many_recordings_have_an_answer_in_one_sentence() -> None:
    assert overall({'joy': 1, 'neutral': 3, 'fear': 0}, '2 clips (9.0 s)') == (
        '4 utterances in 2 clips (9.0 s): 75 % neutral, 25 % joy.')
    assert overall({}, '1 clip (2.0 s)') == '0 utterances in 1 clip (2.0 s).'
