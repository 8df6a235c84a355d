"""Writing a report's files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bnrun.recording.escape import file_name
from bnrun.recording.files import write_text
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.report import Report
from bnrun.report.render.aggregate_columns import profile_panel
from bnrun.report.render.averages import averages
from bnrun.report.render.curves import curves
from bnrun.report.render.history import histories
from bnrun.report.render.latex import latex_tables
from bnrun.report.render.markdown import markdown_page
from bnrun.report.render.page import html_page
from bnrun.report.render.panel import Panel
from bnrun.report.render.sensitivity import sensitivity
from bnrun.report.render.sheets import (
    write_aggregates,
    write_final,
    write_pairs,
    write_runs,
    write_seeds,
)
from bnrun.report.render.style import Style, styles

_LINES = 750
"""Lines on the page, after which no further setting is drawn: one takes 1.1 kB."""


def write_files(
    report: Report, output: Path, figures: bool, tex: bool, damaged: list[str], renew: int = 0
) -> list[str]:
    """Write the report into a folder; returns the names of its files.

    figures  also write the panels of all contests as PNG, SVG and PDF
    tex      also write LaTeX tables
    damaged  gets a sentence for each history that cannot be read
    renew    seconds after which the page reloads itself; 0 for never
    """
    write_text(output / "report.md", markdown_page(report))
    write_runs(report.table, output / "report.csv")
    write_final(report.contests, output / "report-final.csv")
    write_pairs(report.contests, output / "report-pairs.csv")
    write_seeds(report.contests, output / "report-seeds.csv")
    write_aggregates(report.aggregates, output / "report-aggregates.csv")
    names = ["report.md", "report.html", "report*.csv"]
    panels: list[list[Panel]] = []
    on_page: list[list[Panel]] = []
    for contest in report.contests:
        room = sum(len(panel.lines) for group in on_page for panel in group) < _LINES
        if room or figures:
            panels.append(panels_of(contest, damaged))
        if room:
            on_page.append([panel for panel in panels[-1] if panel.on_page])
    style = styles(_labels(report.contests, panels))
    write_text(output / "report.html", html_page(report, on_page, style, output, renew))
    if figures:
        _write_figures(_named(report, panels), style, output / "figures")
        names.append("figures")
    if tex:
        write_text(output / "report.tex", latex_tables(report.contests))
        names.append("report.tex")
    return names


def panels_of(contest: Contest, damaged: list[str]) -> list[Panel]:
    """All figures of a contest for which there are measurements."""
    recorded = histories(contest, damaged)
    panels = [*sensitivity(contest), *curves(contest, recorded), *averages(contest, recorded)]
    # A line has no point where every seed had diverged before its first one.
    drawn = [replace(panel, lines=[li for li in panel.lines if len(li.x)]) for panel in panels]
    return [panel for panel in drawn if panel.lines]


def _labels(contests: Sequence[Contest], panels: Sequence[Sequence[Panel]]) -> list[str]:
    """Contestants in alphabetical order, then whatever else has a line."""
    contestants = sorted({c.label for contest in contests for c in contest.contestants})
    lines = [line.label for group in panels for panel in group for line in panel.lines]
    return list(dict.fromkeys([*contestants, *lines]))


def _named(report: Report, panels: Sequence[Sequence[Panel]]) -> Iterator[tuple[str, Panel]]:
    """Every panel with the name of its files; the titles name the setting."""
    for contest, group in zip(report.contests, panels, strict=True):
        for panel in group:
            title = f"{panel.title} ({contest.setting})" if contest.setting else panel.title
            yield f"{contest.setting} {panel.title}", replace(panel, title=title)
    for aggregate in report.aggregates:
        panel = profile_panel(aggregate)
        yield panel.title, panel


def _write_figures(named: Iterable[tuple[str, Panel]], style: Style, folder: Path) -> None:
    # Loads matplotlib (0.5 s), which the rest of a report does without.
    from bnrun.report.render.figures import save

    if folder.is_symlink():
        raise ValueError(f"{folder}: is a link, and figures are not written through one")
    folder.mkdir(exist_ok=True)
    taken: set[str] = set()
    for name, panel in named:
        save(panel, style, folder / file_name(name, taken))
