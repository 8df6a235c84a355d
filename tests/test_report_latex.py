"""The LaTeX tables: contestants by settings, and who is bold in them."""

import math
import re
from pathlib import Path

import pytest
from studies import compared, far, finish

from bnrun.report.compare.leaders import leaders
from bnrun.report_cli import main

pytestmark = pytest.mark.usefixtures("here")


def bold() -> list[list[str]]:
    """Labels in bold, for each contest."""
    return [[contestant.label for contestant in leaders(contest)] for contest in compared()]


def tables() -> list[str]:
    assert main(["study", "--latex"]) == 0
    return re.split(r"\\end\{table\*?\}", Path("study/report.tex").read_text())[:-1]


def test_the_best_is_bold_with_all_that_do_not_differ_from_it() -> None:
    finish("a", far(0.2), "reinmax")
    finish("b", far(0.2)[1:] + far(0.2)[:1], "st")
    finish("c", far(0.0), "disarm")
    assert bold() == [["reinmax", "st"]]
    (table,) = tables()
    assert r"\begin{table}" in table
    assert table.count(r"\textbf") == 2
    assert r"disarm & 0.50090 $\pm$ 0.00063 \\" in table
    assert "corrected over 3 pairs" in table
    assert r"none in a column with fewer than 6 shared seeds" in table


def test_with_too_few_seeds_nobody_is_bold() -> None:
    finish("a", far(0.0, 5), "st")
    finish("b", far(0.1, 5), "reinmax")
    assert bold() == [[]]
    (table,) = tables()
    assert r"\textbf" not in table
    assert "over 5 seeds." in table


def test_a_contestant_alone_is_not_bold() -> None:
    finish("a", far(0.0), "st")
    assert bold() == [[]]
    (table,) = tables()
    assert "Bold" not in table


def test_who_is_ahead_because_more_seeds_diverged_is_not_bold() -> None:
    finish("a", [math.nan, math.nan, *far(0.3, 8)], "reinmax", diverged={0: 5, 1: 5})
    finish("b", far(0.1), "st")
    finish("c", far(0.0), "disarm")
    assert bold() == [["st"]]
    (table,) = tables()
    assert re.search(r"reinmax & 0\.80\d+ \$\\pm\$ 0\.\d+ \(2\) \\\\", table)
    assert "In brackets: seeds that diverged" in table


def test_contestants_are_rows_and_settings_are_columns() -> None:
    for neuron in ("sbn", "my_sbn"):
        finish(f"{neuron}a", far(0.0), "st", neuron)
        finish(f"{neuron}b", far(0.1), "reinmax", neuron)
    finish("only", far(0.2), "exact", "my_sbn")
    (table,) = tables()
    title = r" & \shortstack[r]{neuron= \\ my\_sbn} & \shortstack[r]{neuron= \\ sbn} \\"
    assert title in table
    assert r"st & 0.50090 $\pm$ 0.00063 & 0.50090 $\pm$ 0.00063 \\" in table
    assert r"exact & \textbf{0.70090 $\pm$ 0.00063} & -- \\" in table


def test_many_settings_are_several_tables() -> None:
    for number in range(5):
        finish(f"a{number}", far(0.0), "st", f"sbn{number}")
        finish(f"b{number}", far(0.1), "reinmax", f"sbn{number}")
    first, second = tables()
    # Several settings need both columns of a paper that has two.
    assert (r"\begin{table*}" in first, r"\begin{table}" in second) == (True, True)
    assert (first.count("shortstack"), second.count("shortstack")) == (4, 1)
    assert (r"\label{tab:scores-1}" in first, r"\label{tab:scores-2}" in second) == (True, True)
