"""The final scores as LaTeX tables, contestants by settings; they need the package booktabs."""

import re
from collections.abc import Sequence

from bnrun.recording.escape import latex
from bnrun.recording.intervals import interval_text
from bnrun.report.compare.contest import Contest, by_yardstick
from bnrun.report.compare.leaders import RULE, leaders
from bnrun.report.compare.verdict import score_text
from bnrun.report.read.settings import ABSENT

_COLUMNS = 4
"""Settings side by side that fit into the width of a page."""


def latex_tables(contests: Sequence[Contest]) -> str:
    """One table per score, or more if it has many settings, so that no column mixes scores."""
    pairs = sum(len(contest.pairs) for contest in contests)
    blocks = [
        same[start : start + _COLUMNS]
        for same in by_yardstick(contests).values()
        for start in range(0, len(same), _COLUMNS)
    ]
    tables = [_table(block, pairs, number) for number, block in enumerate(blocks, 1)]
    return "\n".join([r"% Needs \usepackage{booktabs}.", *tables])


def _table(contests: Sequence[Contest], pairs: int, number: int) -> str:
    labels = list(dict.fromkeys(c.label for contest in contests for c in contest.contestants))
    columns = [_column(contest, labels) for contest in contests]
    rows = [" & ".join(row) for row in zip(map(latex, labels), *columns, strict=True)]
    header = " & ".join(["", *(_title(contest.setting) for contest in contests)])
    # In a paper of two columns, several settings need both; in others the star says nothing.
    float_ = "table*" if len(contests) > 1 else "table"
    lines = [
        rf"\begin{{{float_}}}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{latex(_caption(contests, pairs))}}}",
        rf"\label{{tab:scores-{number}}}",
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(contests)}@{{}}}}",
        r"\toprule",
        *([rf"{header} \\", r"\midrule"] if any(c.setting for c in contests) else []),
        *(rf"{row} \\" for row in rows),
        *(r"\bottomrule", r"\end{tabular}", rf"\end{{{float_}}}", ""),
    ]
    return "\n".join(lines)


def _title(setting: str) -> str:
    """A line for each key and each value, e.g. neuron=, sbn, dataset=, digits."""
    pairs = re.split(r", (?=[\w.]+=)", setting)
    lines = [line for pair in pairs for line in re.split(r"(?<==)", pair, maxsplit=1)]
    stacked = r" \\ ".join(map(latex, lines))
    return rf"\shortstack[r]{{{stacked}}}"


def _column(contest: Contest, labels: Sequence[str]) -> list[str]:
    bold = [c.label for c in leaders(contest)]
    texts = {}
    for c in contest.contestants:
        text = interval_text(list(c.values.values()), contest.digits)
        text = latex(f"{text} ({c.diverged})" if c.diverged else text)
        texts[c.label] = rf"\textbf{{{text}}}" if c.label in bold else text
    return [texts.get(label, latex(ABSENT)) for label in labels]


def _caption(contests: Sequence[Contest], pairs: int) -> str:
    score = score_text(contests[0].yardstick)
    counts = sorted({len(c.values) for contest in contests for c in contest.contestants})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    what = f"mean ± half the 95 % interval over {seeds} seeds" if counts != [1] else "one seed"
    parts = [f"{score[0].upper()}{score[1:]}: {what}."]
    if any(c.tuned for contest in contests for c in contest.contestants):
        parts.append("Optimizer and schedule are the best of each on validation.")
    if any(c.diverged for contest in contests for c in contest.contestants):
        parts.append(
            "In brackets: seeds that diverged, which the mean leaves out; who is ahead only "
            "because more of its seeds diverged is not bold."
        )
    if pairs:
        parts.append(RULE.format(pairs=f"{pairs} pairs" if pairs > 1 else "one pair"))
    return " ".join(parts)
