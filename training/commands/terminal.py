# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Tables of a report on the terminal."""

from __future__ import annotations

from mmer_ros.report.table import Table
from rich import box
import rich.table
from rich.text import Text


def shown(table: Table) -> rich.table.Table:
    """Return a table for a rich console: spread and interval stand beneath the figures."""
    result = rich.table.Table(title=table.title, caption=table.caption, box=box.SIMPLE_HEAD,
                              title_justify='left', caption_justify='left', pad_edge=False)
    for index, name in enumerate(table.columns):
        result.add_column(name, justify='left' if index < table.words else 'right')
    for number, cells in enumerate(table.rows):
        style = 'bold' if number in table.heavy else ''
        result.add_row(*(Text(f'{cell.text}\n{cell.small}'.rstrip()) for cell in cells),
                       style=style)
    return result
