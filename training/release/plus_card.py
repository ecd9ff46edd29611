# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The model card of the plus bundle, rendered from its figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from mmer_ros.evaluation.metrics import Interval
from mmer_ros.types import EMOTIONS

NOTICE = ('for research and other non-commercial use only: its voice has learnt from RAVDESS and '
          'nEMO (CC BY-NC-SA 4.0) and URDU (research only), its face encoder from FER2013 '
          '(research only) with FER+, its text encoder from MELD (GPL-3.0) and GoEmotions; see '
          'MODEL_CARD.md')


def plus_card(figures: Mapping[str, Any]) -> str:
    """
    Return the card in Markdown.

    :param figures: as written to figures.json by the command `plus`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
        undefined=jinja2.StrictUndefined)
    environment.filters |= {
        'interval': lambda f: str(Interval(f['value'], f['low'], f['high'])),
        'percent': lambda share: f'{100 * share:.1f}',
        'whole_percent': lambda share: f'{100 * share:.0f}'}
    return environment.get_template('PLUS_CARD.md.j2').render(**figures, emotions=EMOTIONS)
