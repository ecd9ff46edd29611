# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Pages in one file: Jinja2 templates, one style and one script for all.

A page is a template that extends nothing: `render` puts it between head and footer and makes
the table of contents from its sections. The macros of macros.html make cards, tables and tiles:

    {% from 'macros.html' import card, section, table %}
    {% call section('scores', 'Scores') %}
    {% call card('Classes') %}{{ table(['emotion', 'F1'], rows) }}{% endcall %}
    {% endcall %}

Whatever text a template shows is escaped, wherever it comes from.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
import hashlib
from pathlib import Path
import re
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from mmer_ros.colours import COLOURS, ink
from mmer_ros.report import formats
from mmer_ros.report.axis import WIDTHS
from mmer_ros.types import EMOTIONS

TEMPLATES = Path(__file__).parent / 'templates'
SECTION = re.compile(r'<section id="([^"]+)" aria-label="([^"]+)"')
FORMATS = ('percent', 'points', 'interval', 'millis', 'duration', 'counted', 'shares')


@cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """
    Return the environment of the templates: it escapes, and refuses names that are unknown.

    :param folder: of the templates of another room, which may use these here.
    """
    made = Environment(loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True,
                       undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {name: getattr(formats, name) for name in FORMATS}
    made.filters['tint'] = lambda label: f'e-{label if label in COLOURS else "neutral"}'
    made.filters['unbroken'] = lambda text: str(text).replace(', ', ',\xa0').replace('± ', '±\xa0')
    script = (TEMPLATES / 'page.js').read_text(encoding='utf-8')
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made.globals |= {
        'COLOURS': COLOURS, 'EMOTIONS': EMOTIONS, 'WIDTHS': WIDTHS, 'ink': ink,
        'script': Markup(script), 'script_hash': f'sha256-{digest}'}
    return made


def render(template: str | Template, title: str, facts: Sequence[str] = (), *,
           footer: str = '', folder: Path = TEMPLATES, **values: Any) -> str:
    """
    Return a page: style, script and pictures are in it, nothing is loaded from elsewhere.

    :param template: name of the file that holds the body.
    :param facts: for the line below the title.
    :param folder: of the template.
    :param values: for the template.
    """
    made = environment(folder)
    body = made.get_template(template).render(values)
    contents = [(Markup(key), Markup(name)) for key, name in SECTION.findall(body)]
    return made.get_template('page.html').render(
        title=title, facts=facts, footer=footer, body=Markup(body), contents=contents)
