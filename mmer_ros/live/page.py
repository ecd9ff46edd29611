# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The page of `mmer live`, in the look of the other pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmer_ros.report.page import environment

TEMPLATES = Path(__file__).parent / 'templates'


@dataclass(frozen=True)
class PageFacts:
    """
    What the page says of what is behind it.

    :param mode: 'camera': the browser is camera and microphone; 'ros': it watches a node.
    :param title: of the page.
    :param facts: below the title.
    :param warning: above everything, e.g. that the bundle is not trained; '' for none.
    :param has_words: whether words are to be expected.
    """

    mode: str
    title: str
    facts: tuple[str, ...] = ()
    warning: str = ''
    has_words: bool = False


def page_text(facts: PageFacts) -> str:
    """Return the page as HTML."""
    return environment(TEMPLATES).get_template('live.html').render(page=facts)


@cache
def file_text(name: str) -> str:
    """Return a script of the page."""
    return (TEMPLATES / name).read_text(encoding='utf-8')
