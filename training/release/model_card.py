# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The model card of the starter bundle, rendered from its figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import jinja2
from mmer_ros.evaluation.metrics import Interval
from mmer_ros.types import EMOTIONS

NOTICE = ('for research and other non-commercial use only: its audio encoder was trained on '
          'RAVDESS (CC BY-NC-SA 4.0), its face encoder on FER2013 (research only), its text '
          'encoder on MELD (GPL-3.0) and GoEmotions; see MODEL_CARD.md')


def model_card(name: str, figures: Mapping[str, Any]) -> str:
    """
    Return the card in Markdown.

    :param figures: as written to figures.json by the command `starter`; sections without
        figures are left out.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False)
    environment.filters |= {
        'interval': _interval, 'nats': lambda f: '{value:.3f} [{low:.3f}, {high:.3f}]'.format(**f),
        'percent': lambda share: f'{100 * share:.1f}',
        'whole_percent': lambda share: f'{100 * share:.0f}', 'mean': fmean, 'deviation': stdev,
        'prefixed': lambda text, prefix: prefix + text,
        'suffixed': lambda text, suffix: text + suffix}
    template = environment.get_template('MODEL_CARD.md.j2')
    return template.render(name=name, emotions=list(EMOTIONS), **figures)


def _interval(figure: Mapping[str, float]) -> str:
    return str(Interval(figure['value'], figure['low'], figure['high']))
