"""Tables for the terminal and in Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from bnrun.recording.escape import markdown, visible
from bnrun.report.read.column import Column

_LEAST = 8
"""Letters of a column of words that are on one line, however narrow the terminal."""


def rich_table(words: Sequence[Column], numbers: Sequence[Column], tight: bool = False) -> Table:
    """Columns of words, which wrap in a narrow terminal, then columns of numbers.

    tight  one space between columns instead of two
    """
    # No vertical rules, so that two words and four scores with their intervals fit in 80 columns.
    padding = (0, 0 if tight else 1, 0, 0)
    table = Table(box=SIMPLE_HEAD, padding=padding, show_edge=False, pad_edge=False)
    for column in words:
        longest = max(map(len, (column.title, *column.cells)))
        title = Text(visible(column.title))
        # With a least width, because rich may give all of the room to the numbers.
        least = min(longest, _LEAST)
        table.add_column(title, overflow="fold", vertical="bottom", min_width=least)
    for column in numbers:
        # One word per line: a title must not be wider than its numbers.
        title = Text(visible(column.title).replace(" ", "\n"))
        table.add_column(title, justify="right", no_wrap=True)
    for row in zip(*(column.cells for column in [*words, *numbers]), strict=True):
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def markdown_table(words: Sequence[Column], numbers: Sequence[Column]) -> str:
    """The same table in Markdown, with numbers aligned to the right."""
    columns = [*words, *numbers]
    rows = [
        [markdown(column.title) for column in columns],
        ["---"] * len(words) + ["---:"] * len(numbers),
        *zip(*(map(markdown, column.cells) for column in columns), strict=True),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
