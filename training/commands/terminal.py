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
