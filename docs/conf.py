# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Configuration of the documentation site; `make docs` builds it, and rosdoc2 can."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
import sys
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:
    import mmer_ros
    from tools.notebooks import to_markdown
except ImportError:  # rosdoc2 runs this file from elsewhere and knows the version
    to_markdown = None
else:
    version = release = mmer_ros.__version__

project = 'mmer_ros'
author = 'The mmer_ros authors'
copyright = 'The mmer_ros authors. Apache-2.0'  # noqa: A001

extensions = ['myst_parser']
if importlib.util.find_spec('sphinx_copybutton'):
    extensions.append('sphinx_copybutton')
source_suffix = {'.md': 'markdown', '.ipynb': 'notebook'}
exclude_patterns = ['_build', '_included']  # _included: links to pages elsewhere
if to_markdown is None:
    exclude_patterns.append('notebooks')
myst_heading_anchors = 4
nitpicky = True

html_theme = 'furo'
html_title = 'mmer_ros'
html_copy_source = False
html_static_path = ['_static']
html_css_files = ['site.css']
html_theme_options = {
    'light_css_variables': {'color-brand-primary': '#1f5f8b', 'color-brand-content': '#1f5f8b'},
    'dark_css_variables': {'color-brand-primary': '#7cb7df', 'color-brand-content': '#7cb7df'},
}
rosdoc2_settings = {
    'override_theme': False,
    'support_markdown': True,
    'allow_other_extensions': True,
    'enable_autodoc': False,
    'enable_breathe': False,
    'enable_exhale': False,
}

# Pages that live elsewhere in the repository -> the page of the site that includes them.
ELSEWHERE = {
    '../CHANGELOG.md': 'changelog.md',
    'CHANGELOG.md': 'changelog.md',
    '../CONTRIBUTING.md': 'contributing.md',
    '../examples/behaviour_tree/README.md': 'behaviour_tree.md',
    '../mmer_ros/bundles/starter/MODEL_CARD.md': 'model_card.md',
    '../../mmer_ros/bundles/starter/MODEL_CARD.md': 'model_card.md',
    '../mmer_ros/bundles/plus/MODEL_CARD.md': 'model_card_plus.md',
    '../../mmer_ros/bundles/plus/MODEL_CARD.md': 'model_card_plus.md',
    '../starter/MODEL_CARD.md': 'model_card.md',
    '../sample/README.md': 'sample.md',
    'docs/': '',
}


def keep_links_within_the_site(_app: Any, _page: str, content: list[str]) -> None:
    """Lead links to pages elsewhere in the repository to their page of the site."""
    for target, page in ELSEWHERE.items():
        content[0] = content[0].replace(f']({target}', f']({page}')


class NotebookParser(MystParser):
    """A notebook is a page: its text, its code, and what that has printed."""

    supported = ('notebook',)

    def parse(self, inputstring: str, document: Any) -> None:
        """Parse the page that the notebook is as Markdown."""
        super().parse(to_markdown(json.loads(inputstring)), document)


def setup(app: Any) -> None:
    """Connect the rewriting of links, and read notebooks."""
    app.add_source_parser(NotebookParser)
    app.connect('source-read', keep_links_within_the_site)
    app.connect('include-read', lambda app, _path, page, content: keep_links_within_the_site(
        app, page, content))
