"""The command line of bnrun-report."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bnrun.recording.tags import ScoreName
from bnrun.report.compare.contest import Contest, contests
from bnrun.report.compare.overall import clear_pairs, summary
from bnrun.report.compare.tuning import RULE
from bnrun.report.compare.verdict import METHOD, Verdict, final_columns, judge, pair_columns
from bnrun.report.compare.yardstick import Wanted, yardstick
from bnrun.report.read.layout import Column, markdown_table, rich_table
from bnrun.report.read.runs import Found, find_runs
from bnrun.report.read.scores import NOTE
from bnrun.report.render.curves import Panel, panels
from bnrun.report.render.figures import save, styles
from bnrun.report.render.latex import latex
from bnrun.report.render.page import page
from bnrun.report.render.sensitivity import sensitivity
from bnrun.report.render.sheets import write_final, write_pairs
from bnrun.report.render.table import RunTable, markdown, print_table, tabulate, write_csv

_WIDE = 1000

_DRAWN = 6
"""Settings whose curves are on the page: a figure takes 50 ms and 60 kB."""


_LISTED = 60
"""Pairs that a terminal shows; the files have all."""


@dataclass(frozen=True)
class Report:
    """Everything there is to say; each output says it in its own form."""

    table: RunTable
    contests: list[Contest]
    verdicts: list[Verdict]
    notes: list[str]


def main(arguments: Sequence[str]) -> int:
    """Write and print a report; exit status 1 if a result, or every one, could not be read."""
    options = _parser().parse_args(arguments)
    try:
        found = find_runs(options.paths)
        if not found.runs:
            raise ValueError(_nothing_finished(found))
        report = _compared(found, options)
        output: Path = options.output or options.paths[0]
        output.mkdir(parents=True, exist_ok=True)
        _write(report, output, options)
        if options.tensorboard:
            _write_groups(output, options)
    except (ValueError, OSError) as error:
        print(f"bnrun-report: {_sentence(error)}", file=sys.stderr)
        return 1
    for sentence in found.broken:
        print(f"bnrun-report: left out: {sentence}", file=sys.stderr)
    return 1 if found.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bnrun-report",
        description="Compare runs: which estimator wins, by how much, and whether that is noise. "
        "Prints it and writes report.md, report.html, and as CSV the runs (report.csv), the final "
        "scores (report-final.csv) and the pairs (report-pairs.csv). "
        "`bnrun-report verify RUN` runs the first steps of a run again and compares the bits.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a run's folder or one above several"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where report.* go (default: the first PATH)"
    )
    parser.add_argument(
        "--score",
        type=_score_name,
        metavar="SPLIT/SCORE/WAY",
        help="what to compare by, e.g. test/accuracy/averaged (default: what the runs name as "
        "their goal, on test; thresholded for a DBN and sampled for others)",
    )
    parser.add_argument(
        "--better",
        choices=("more", "less"),
        help="whether more or less of that score is better, where the runs do not say it",
    )
    parser.add_argument(
        "--by",
        nargs="+",
        metavar="SETTING",
        help="what competes, e.g. neuron (default: estimator, with its settings that differ)",
    )
    parser.add_argument(
        "--figures", action="store_true", help="also write the figures as PNG and SVG"
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write the folder groups: for each that competes a TensorBoard run with its "
        "mean over seeds and settings",
    )
    parser.add_argument("--latex", action="store_true", help="also write report.tex, a table")
    return parser


def _score_name(word: str) -> ScoreName:
    parts = word.split("/")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(
            f"{word}: give split/score/way, e.g. test/accuracy/sampled"
        )
    return ScoreName(*parts)


def _compared(found: Found, options: argparse.Namespace) -> Report:
    table = tabulate(found.runs)
    larger = options.better and options.better == "more"
    wanted = options.score and Wanted(options.score, larger)
    held = contests(table, wanted, options.by)
    method = [METHOD] if any(contest.pairs for contest in held) else []
    tuned = any(len(c.trials) > 1 for contest in held for c in contest.contestants)
    rules = [*method, *([RULE] if tuned else [])]
    if len(held) > _DRAWN:
        rules.append(f"Curves of the first {_DRAWN} of {len(held)} settings; --figures writes all.")
    notes = [NOTE, *rules, *_not_compared(table, wanted), *_unfinished(found)]
    return Report(table, held, judge(held), notes)


def _not_compared(table: RunTable, wanted: Wanted | None) -> list[str]:
    return [
        f"not compared, as it has not the score: {run.folder}"
        for run in table.runs
        if yardstick(run.result, wanted) is None
    ]


def _write(report: Report, output: Path, options: argparse.Namespace) -> None:
    (output / "report.md").write_text(_markdown(report))
    write_csv(report.table, output / "report.csv")
    write_final(report.contests, output / "report-final.csv")
    write_pairs(report.contests, output / "report-pairs.csv")
    drawn = report.contests if options.figures else report.contests[:_DRAWN]
    figures = [[*sensitivity(contest), *panels(contest)] for contest in drawn]
    left_out = len(report.contests) - _DRAWN
    on_page = [*figures[:_DRAWN], *[None] * left_out]
    html = page(report.table, report.verdicts, on_page, report.notes)
    (output / "report.html").write_text(html)
    written = ["report.md", "report.html", "report{,-final,-pairs}.csv"]
    if options.figures:
        written += _figures(report, figures, output)
    if options.latex:
        (output / "report.tex").write_text(latex(report.contests))
        written.append("report.tex")
    # Last, for a reader like head may close the pipe. A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE)
    _print(report, console)
    console.print(Text(f"written into {output}: {', '.join(written)}"), soft_wrap=True)


def _write_groups(output: Path, options: argparse.Namespace) -> None:
    # Loads torch and TensorBoard, which the rest of a report does without.
    from bnrun.report.render.tensorboard import write_groups

    folders = write_groups(output, options.paths, options.by)
    if folders:
        print(f"group runs: tensorboard --logdir {folders[0].parent}")
    else:
        print("no group runs: no setting has runs of all that competes, or each is a run already")


def _figures(report: Report, figures: list[list[Panel]], output: Path) -> list[str]:
    """Write every panel as PNG and SVG into the folder figures."""
    folder = output / "figures"
    folder.mkdir(exist_ok=True)
    style = styles(sorted({line.label for drawn in figures for p in drawn for line in p.lines}))
    for contest, drawn in zip(report.contests, figures, strict=True):
        for panel in drawn:
            name = re.sub(r"[^A-Za-z0-9.=_]+", "-", f"{contest.setting} {panel.title}").strip("-")
            save(panel, style, folder / name)
    return ["figures"]


def _print(report: Report, console: Console) -> None:
    if len(report.verdicts) > 1:
        lines = [summary(report.verdicts), *clear_pairs(report.contests)]
        console.print(Text("\n- ".join(lines), style="bold"), "")
    for verdict in report.verdicts:
        if verdict.kind == "alone":
            continue
        console.print(Text(verdict.headline, style="bold"))
        console.print(Text(verdict.detail), "")
    if any(contest.pairs for contest in report.contests):
        console.print("Final scores", rich_table(*final_columns(report.contests)), "", sep="\n")
        words, numbers = pair_columns(report.contests)
        console.print("Pairs", rich_table(_first(words), _first(numbers)), sep="\n")
        rest = len(numbers[0].cells) - _LISTED
        console.print(f"and {rest} more pairs, see report-pairs.csv\n" if rest > 0 else "")
    console.print("Runs")
    print_table(report.table, console)
    for note in report.notes:
        # A path stays in one piece, so that it can be copied.
        console.print(Text(note), soft_wrap=note not in (METHOD, RULE))


def _first(columns: Sequence[Column]) -> list[Column]:
    return [Column(column.title, column.cells[:_LISTED]) for column in columns]


def _markdown(report: Report) -> str:
    parts = ["# Runs compared"]
    if len(report.verdicts) > 1:
        parts.append(summary(report.verdicts))
        parts += [f"- {line}" for line in clear_pairs(report.contests)]
    parts += [f"**{verdict.headline}.** {verdict.detail}" for verdict in report.verdicts]
    if any(contest.pairs for contest in report.contests):
        parts += ["## Final scores", markdown_table(*final_columns(report.contests))]
        parts += ["## Pairs", markdown_table(*pair_columns(report.contests))]
    parts += ["## Runs", markdown(report.table), *report.notes]
    return "\n\n".join(parts) + "\n"


def _unfinished(found: Found) -> list[str]:
    return [
        f"unfinished: {folder}" + ("" if step is None else f", recorded up to step {step}")
        for folder, step in found.unfinished.items()
    ]


def _nothing_finished(found: Found) -> str:
    if found.broken:
        return found.broken[0]
    first = next(iter(found.unfinished))
    return (
        f"{len(found.unfinished)} runs and none of them finished (the first: {first}): "
        f"start their command again"
    )


def _sentence(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
