"""Writing a report's files."""

from collections.abc import Sequence
from pathlib import Path

from bnrun.recording.escape import file_name
from bnrun.recording.files import write_text
from bnrun.report.compare.contest import Contest
from bnrun.report.compare.report import Report
from bnrun.report.render.averages import averages
from bnrun.report.render.curves import curves
from bnrun.report.render.figures import Style, save, styles
from bnrun.report.render.history import histories
from bnrun.report.render.latex import latex_table
from bnrun.report.render.markdown import markdown_page
from bnrun.report.render.page import html_page
from bnrun.report.render.panel import Panel
from bnrun.report.render.sensitivity import sensitivity
from bnrun.report.render.sheets import write_final, write_pairs, write_runs

_DRAWN = 6
"""Settings whose curves are on the page: a figure takes 50 ms and 60 kB."""


def write_files(
    report: Report, output: Path, figures: bool, tex: bool, damaged: list[str]
) -> list[str]:
    """Write the report into a folder; returns the names of its files.

    figures  also write the panels of all contests as PNG and SVG
    tex      also write a LaTeX table
    damaged  gets a sentence for each history that cannot be read
    """
    write_text(output / "report.md", markdown_page(report))
    write_runs(report.table, output / "report.csv")
    write_final(report.contests, output / "report-final.csv")
    write_pairs(report.contests, output / "report-pairs.csv")
    names = ["report.md", "report.html", "report{,-final,-pairs}.csv"]
    drawn = report.contests if figures else report.contests[:_DRAWN]
    panels = [panels_of(contest, damaged) for contest in drawn]
    on_page = [[panel for panel in group if panel.on_page] for group in panels[:_DRAWN]]
    style = styles(_labels(report.contests, panels))
    write_text(output / "report.html", html_page(report, on_page, style))
    if figures:
        _write_figures(report.contests, panels, style, output / "figures")
        names.append("figures")
    if tex:
        write_text(output / "report.tex", latex_table(report.contests))
        names.append("report.tex")
    return names


def panels_of(contest: Contest, damaged: list[str]) -> list[Panel]:
    """All figures of a contest for which there are measurements."""
    recorded = histories(contest, damaged)
    return [*sensitivity(contest), *curves(contest, recorded), *averages(contest, recorded)]


def _labels(contests: Sequence[Contest], panels: Sequence[Sequence[Panel]]) -> list[str]:
    """Contestants in alphabetical order, then whatever else has a line."""
    contestants = sorted({c.label for contest in contests for c in contest.contestants})
    lines = [line.label for group in panels for panel in group for line in panel.lines]
    return list(dict.fromkeys([*contestants, *lines]))


def _write_figures(
    contests: Sequence[Contest], panels: Sequence[Sequence[Panel]], style: Style, folder: Path
) -> None:
    if folder.is_symlink():
        raise ValueError(f"{folder}: is a link, and figures are not written through one")
    folder.mkdir(exist_ok=True)
    taken: set[str] = set()
    for contest, group in zip(contests, panels, strict=True):
        for panel in group:
            save(panel, style, folder / file_name(f"{contest.setting} {panel.title}", taken))
