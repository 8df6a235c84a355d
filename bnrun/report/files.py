"""Writing a report's files."""

import re
from collections.abc import Sequence
from pathlib import Path

from bnrun.report.compare.contest import Contest
from bnrun.report.compare.report import Report
from bnrun.report.render.averages import averages
from bnrun.report.render.curves import curves
from bnrun.report.render.figures import save, styles
from bnrun.report.render.history import histories
from bnrun.report.render.latex import latex
from bnrun.report.render.markdown import markdown
from bnrun.report.render.page import html_page
from bnrun.report.render.panel import Panel
from bnrun.report.render.sensitivity import sensitivity
from bnrun.report.render.sheets import write_final, write_pairs, write_runs

_DRAWN = 6
"""Settings whose curves are on the page: a figure takes 50 ms and 60 kB."""


def write_files(report: Report, output: Path, figures: bool, tex: bool) -> list[str]:
    """Write the report into a folder; returns the names of its files.

    figures  also write the panels of all contests as PNG and SVG
    tex      also write a LaTeX table
    """
    (output / "report.md").write_text(markdown(report))
    write_runs(report.table, output / "report.csv")
    write_final(report.contests, output / "report-final.csv")
    write_pairs(report.contests, output / "report-pairs.csv")
    names = ["report.md", "report.html", "report{,-final,-pairs}.csv"]
    drawn = report.contests if figures else report.contests[:_DRAWN]
    panels = [panels_of(contest) for contest in drawn]
    on_page = [[panel for panel in group if panel.on_page] for group in panels[:_DRAWN]]
    (output / "report.html").write_text(html_page(report, on_page))
    if figures:
        _write_figures(report.contests, panels, output / "figures")
        names.append("figures")
    if tex:
        (output / "report.tex").write_text(latex(report.contests))
        names.append("report.tex")
    return names


def panels_of(contest: Contest) -> list[Panel]:
    """All figures of a contest for which there are measurements."""
    recorded = histories(contest)
    return [*sensitivity(contest), *curves(contest, recorded), *averages(contest, recorded)]


def _write_figures(
    contests: Sequence[Contest], panels: Sequence[Sequence[Panel]], folder: Path
) -> None:
    folder.mkdir(exist_ok=True)
    style = styles(sorted({line.label for group in panels for p in group for line in p.lines}))
    for contest, group in zip(contests, panels, strict=True):
        for panel in group:
            name = re.sub(r"[^A-Za-z0-9.=_]+", "-", f"{contest.setting} {panel.title}").strip("-")
            save(panel, style, folder / name)
