"""A column of a table, before anyone decides how the table looks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A title and one cell per row."""

    title: str
    cells: tuple[str, ...]

    @property
    def constant(self) -> bool:
        """Whether all rows have the same cell."""
        return len(set(self.cells)) == 1
