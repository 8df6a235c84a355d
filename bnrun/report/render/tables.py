"""Tables for the terminal and in Markdown."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from bnrun.recording.escape import markdown, visible
from bnrun.report.read.column import Column


def rich_table(words: Sequence[Column], numbers: Sequence[Column]) -> Table:
    """Columns of words, which wrap in a narrow terminal, then columns of numbers."""
    # No vertical rules, so that two words and four scores with their intervals fit in 80 columns.
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for column in words:
        table.add_column(Text(visible(column.title)), overflow="fold", vertical="bottom")
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
