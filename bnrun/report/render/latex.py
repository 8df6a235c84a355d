"""The final scores as a LaTeX table; it needs the package booktabs."""

from collections.abc import Sequence

from bnrun.recording.escape import latex
from bnrun.report.compare.contest import Contest
from bnrun.report.render.contest_columns import final_columns


def latex_table(contests: Sequence[Contest]) -> str:
    """A row per contestant, best first, with the best and those that may be as good in bold."""
    words, numbers = final_columns(contests)
    columns = [*words, *numbers]
    alignment = "l" * len(words) + "r" * len(numbers)
    bold = [flag for contest in contests for flag in _leaders(contest)]
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
    lines += [_row([column.title for column in columns], None), r"\midrule"]
    for number, leads in enumerate(bold):
        score = next(n for n, column in enumerate(numbers) if column.cells[number])
        bold_column = len(words) + score if leads else None
        lines.append(_row([column.cells[number] for column in columns], bold_column))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _leaders(contest: Contest) -> list[bool]:
    best, *others = contest.contestants
    return [True, *(not contest.pair(best, other).won_by(best) for other in others)]


def _row(cells: Sequence[str], bold_column: int | None) -> str:
    escaped = [latex(cell) for cell in cells]
    if bold_column is not None:
        escaped[bold_column] = rf"\textbf{{{escaped[bold_column]}}}"
    return " & ".join(escaped) + r" \\"
