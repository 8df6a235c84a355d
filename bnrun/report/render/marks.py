"""What the page's script hides and shows: which contestants and settings an element belongs to.

data-c holds numbers of contestants, the places of their labels in the style. data-f holds one word
per setting, "2-0" for the first value of the third one.
"""

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bnrun.report.compare.contest import Contest
from bnrun.report.read.runs import Run
from bnrun.report.read.settings import ABSENT, RunTable
from bnrun.report.render.style import Style


@dataclass(frozen=True)
class Facets:
    """Settings by which the page can be filtered.

    titles  e.g. neuron
    values  of each, in order of appearance
    cells   run's folder -> its value of each
    """

    titles: list[str]
    values: list[list[str]]
    cells: dict[Path, list[str]]

    @classmethod
    def of(cls, table: RunTable, contests: Sequence[Contest]) -> "Facets":
        """Those settings in which the contests differ."""
        runs = [contest.runs[0].folder for contest in contests]
        place = {run.folder: number for number, run in enumerate(table.runs)}
        columns = [
            column
            for column in table.settings
            if all(
                _names(c.setting, column.title, column.cells[place[run]])
                for c, run in zip(contests, runs, strict=True)
            )
            and len({column.cells[place[run]] for run in runs}) > 1
        ]
        return cls(
            [column.title for column in columns],
            [list(dict.fromkeys(column.cells)) for column in columns],
            {
                run.folder: [column.cells[number] for column in columns]
                for number, run in enumerate(table.runs)
            },
        )

    def words(self, run: Run) -> str:
        """The content of data-f."""
        cells = enumerate(self.cells[run.folder])
        return " ".join(f"{n}-{self.values[n].index(cell)}" for n, cell in cells)


def _names(setting: str, title: str, cell: str) -> bool:
    """Whether a contest's text has this value of a setting, or it has none."""
    return cell == ABSENT or f", {title}={cell}," in f", {setting},"


def numbers(labels: Iterable[str], style: Style) -> str:
    """The content of data-c."""
    place = {label: number for number, label in enumerate(style)}
    return " ".join(str(place[label]) for label in labels)


@dataclass(frozen=True)
class RunLink:
    """A run's row on the page.

    name     of its folder
    address  of its folder, relative to the page's
    command  that shows its curves in TensorBoard
    curves   number of the contest whose curves are on the page; None if there are none
    """

    name: str
    address: str
    command: str
    curves: int | None


def run_links(table: RunTable, drawn: Sequence[Contest], output: Path) -> list[RunLink]:
    """One per row of the table of runs. `drawn` are the contests with curves on the page."""
    contest_of = {run.folder: n for n, contest in enumerate(drawn) for run in contest.runs}
    return [
        RunLink(
            run.folder.name,
            quote(Path(os.path.relpath(run.folder, output)).as_posix()) + "/",
            f"tensorboard --logdir {shlex.quote(str(run.folder))}",
            contest_of.get(run.folder),
        )
        for run in table.runs
    ]
