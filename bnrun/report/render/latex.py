"""The final scores as a LaTeX table; it needs the package booktabs."""

from collections.abc import Sequence

from bnrun.report.compare.contest import Contest
from bnrun.report.compare.verdict import final_columns

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
}


def latex(contests: Sequence[Contest]) -> str:
    """One row per contestant, best first; bold are the best and those it may be no better than."""
    words, numbers = final_columns(contests)
    columns = [*words, *numbers]
    alignment = "l" * len(words) + "r" * len(numbers)
    bold = [flag for contest in contests for flag in _leaders(contest)]
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
    lines += [_row([column.title for column in columns], None), r"\midrule"]
    for number, leads in enumerate(bold):
        marked = len(words) if leads else None
        lines.append(_row([column.cells[number] for column in columns], marked))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _leaders(contest: Contest) -> list[bool]:
    best, *others = contest.contestants
    return [True, *(not contest.pair(best, other).told.significant for other in others)]


def _row(cells: Sequence[str], marked: int | None) -> str:
    escaped = ["".join(_SPECIAL.get(sign, sign) for sign in cell) for cell in cells]
    if marked is not None:
        escaped[marked] = rf"\textbf{{{escaped[marked]}}}"
    return " & ".join(escaped) + r" \\"
