# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Draw docs/dataflow.svg, the picture of how one utterance flows.

    python docs/dataflow.py

A test draws it again and compares, so that picture and script stay together.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_suffix('.svg')
WIDTH, HEIGHT = 720, 800
STYLE = """
  text { font: 15px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1b2733;
         text-anchor: middle }
  .small { font-size: 13px; fill: #4a5a6a }
  .room { font: 600 14px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #1f5f8b;
          text-anchor: start }
  .name { font-weight: 600 }
  .panel { fill: #f3f7fa; stroke: #c9d6e0 }
  .box { fill: #ffffff; stroke: #7d93a6 }
  .input { fill: #e4eef6; stroke: #7d93a6 }
  .output { fill: #e6f3ec; stroke: #6f9c85 }
  .arrow { stroke: #4a5a6a; stroke-width: 1.6; fill: none; marker-end: url(#head) }
  .line { stroke: #4a5a6a; stroke-width: 1.6; fill: none }
  .cut { stroke: #b3541e; stroke-width: 1.6; stroke-dasharray: 7 5 }
  .cut-text { font-size: 13px; fill: #9a4513 }
"""
HEAD = ('<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#4a5a6a"/></marker>')


def panel(top: int, bottom: int, room: str) -> list[str]:
    """Return the area of a room, with its name."""
    return [f'<rect class="panel" x="12" y="{top}" width="{WIDTH - 24}" height="{bottom - top}" '
            'rx="10"/>', f'<text class="room" x="26" y="{top + 23}">{escape(room)}</text>']


def box(center: int, top: int, width: int, name: str, *lines: str, kind: str = 'box') -> list[str]:
    """Return a box with its name and what it does."""
    height = 32 + 18 * len(lines)
    parts = [f'<rect class="{kind}" x="{center - width // 2}" y="{top}" width="{width}" '
             f'height="{height}" rx="7"/>',
             f'<text class="name" x="{center}" y="{top + 21}">{escape(name)}</text>']
    parts += [f'<text class="small" x="{center}" y="{top + 40 + 18 * i}">{escape(line)}</text>'
              for i, line in enumerate(lines)]
    return parts


def arrow(*points: tuple[int, int]) -> str:
    """Return a line through the points, with a head at its end."""
    path = ' '.join(f'{x},{y}' for x, y in points)
    return f'<polyline class="arrow" points="{path}"/>'


def line(*points: tuple[int, int]) -> str:
    """Return a line through the points, without a head."""
    return arrow(*points).replace('class="arrow"', 'class="line"')


def picture() -> str:
    """Return the picture as SVG."""
    left, middle, right = 130, 360, 590
    parts = [
        *box(left, 14, 190, 'camera', kind='input'),
        *box(middle, 14, 190, 'microphone', kind='input'),
        *box(right, 14, 190, 'speech recogniser', kind='input'),

        *panel(76, 314, 'sensing/'),
        *(arrow((x, 46), (x, 110)) for x in (left, middle, right)),
        *box(left, 112, 200, 'faces', 'detect 5 images a second,', 'track, crop 160 x 160'),
        *box(middle, 112, 200, 'audio', '16 kHz mono,', 'voice activity'),
        *box(right, 112, 200, 'words', 'assigned to an utterance', 'by time stamp'),
        *(arrow((x, 180), (x, 226)) for x in (left, middle, right)),
        *box(middle, 228, 660, 'utterance segmenter',
             'cuts the streams into utterances, finds out who speaks,',
             'and hands on each utterance in parts of 0.128 s'),

        f'<line class="cut" x1="12" x2="{WIDTH - 12}" y1="344" y2="344"/>',
        '<text class="cut-text" x="540" y="338">utterance parts: the network may be here</text>',

        *panel(374, 690, 'recognition/ with networks/'),
        arrow((middle, 296), (middle, 428)),
        arrow((middle, 410), (left, 410), (left, 428)),
        arrow((middle, 410), (right, 410), (right, 428)),
        *box(left, 430, 200, 'face encoder', 'FaceNet, then a GRU'),
        *box(middle, 430, 200, 'audio encoder', 'WaveRNN'),
        *box(right, 430, 200, 'text encoder', 'GPT'),
        *(line((x, 480), (x, 498)) for x in (left, middle, right)),
        line((left, 498), (right, 498)),
        *(arrow((x, 498), (x, 518)) for x in (190, 530)),
        *box(190, 520, 320, 'crossmodal fusion', 'transformer blocks, then EmbraceNet'),
        *box(530, 520, 320, 'late fusion', "the encoders' classifiers, gated"),
        arrow((190, 570), (190, 600), (300, 600), (300, 624)),
        arrow((530, 570), (530, 600), (420, 600), (420, 624)),
        *box(middle, 626, 480, '7 logits', 'temperature and prior: calibrated probabilities'),

        arrow((middle, 676), (middle, 708), (left, 708), (left, 728)),
        arrow((middle, 708), (middle, 728)),
        arrow((middle, 708), (right, 708), (right, 728)),
        *box(left, 730, 210, 'nodes/', '/emotion, partial and final', kind='output'),
        *box(middle, 730, 210, 'cli/', 'JSON lines for a file', kind='output'),
        *box(right, 730, 210, 'replay/', 'scores and a report', kind='output'),
    ]
    body = '\n'.join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" role="img" aria-labelledby="title">\n'
            '<title id="title">How one utterance flows from sensors to an estimate</title>\n'
            f'<style>{STYLE}</style>\n<defs>{HEAD}</defs>\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#ffffff"/>\n{body}\n</svg>\n')


if __name__ == '__main__':
    PICTURE.write_text(picture(), encoding='utf-8')
    print(f'wrote {PICTURE}')
