"""Columns of text, and tables made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Column:
    """A title and one cell per row."""

    title: str
    cells: tuple[str, ...]

    @property
    def constant(self) -> bool:
        """Whether all rows have the same cell."""
        return len(set(self.cells)) == 1


def rich_table(words: Sequence[Column], numbers: Sequence[Column]) -> Table:
    """Columns of words, which are folded where the terminal is narrow, then of numbers."""
    # Without bars: two words and four scores with their intervals fit into 80 columns.
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in words:
        table.add_column(column.title, overflow="fold", vertical="bottom")
    for column in numbers:
        # One word below the other: a title must not be wider than its numbers.
        table.add_column(column.title.replace(" ", "\n"), justify="right", no_wrap=True)
    for row in zip(*(column.cells for column in [*words, *numbers]), strict=True):
        table.add_row(*map(Text, row))
    return table


def markdown_table(words: Sequence[Column], numbers: Sequence[Column]) -> str:
    """The same in Markdown, numbers to the right."""
    columns = [*words, *numbers]
    rows = [
        [column.title for column in columns],
        ["---"] * len(words) + ["---:"] * len(numbers),
        *zip(*(column.cells for column in columns), strict=True),
    ]
    lines = [" | ".join(cell.replace("|", "&#124;") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
