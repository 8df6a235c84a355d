"""The table of scores that a run prints at its end, and the digits of its intervals."""

import pytest
from finished_runs import finish
from rich.console import Console

from bnrun.recording.intervals import decimals, interval_text
from bnrun.recording.result import RESULT, read_result
from bnrun.report.render.scores_table import scores_table

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        ([[0.5]], ["0.5000"]),
        ([[0.5, 0.5]], ["0.5000 ± 0.0000"]),
        ([[0.96, 0.97, 0.98], [0.9], [], [float("nan")]], ["0.970 ± 0.025", "0.900", "", "none"]),
        ([[0.2, 0.3]], ["0.250 ± 0.635"]),
        ([[900.0, 1100.0, 1500.0]], ["1167 ± 759"]),
        ([[1e-9, 2e-9]], ["0.0000000015 ± 0.0000000064"]),
        ([[0.1] * 3, [0.7] * 3], ["0.1000 ± 0.0000", "0.7000 ± 0.0000"]),
    ],
)
def test_intervals_show_two_digits_of_their_width(
    rows: list[list[float]], texts: list[str]
) -> None:
    digits = decimals(rows)
    assert [interval_text(row, digits) for row in rows] == texts


def test_scores_table_has_a_row_per_way_and_a_column_per_split_and_score() -> None:
    result = read_result(finish("run") / RESULT)
    console = Console(width=100, record=True)
    console.print(scores_table(result))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["test", "test", "validation", "validation"]
    assert lines[1].split() == ["evaluated", "accuracy", "loss", "accuracy", "loss"]
    assert lines[3].split()[:4] == ["thresholded", "0.970", "±", "0.025"]
    assert lines[4].split()[:4] == ["sampled", "0.930", "±", "0.066"]
    assert "95 % interval over 3 seeds" in lines[5]


def test_scores_table_is_transposed_for_many_scores() -> None:
    result = read_result(finish("run") / RESULT)
    for split in ("test", "validation"):
        accuracy = result["scores"][split]["accuracy"]
        result["scores"][split] = {
            "accuracy": accuracy,
            "precision": {"sampled": accuracy["sampled"]},
            "recall": accuracy,
        }
    console = Console(width=80, record=True)
    console.print(scores_table(result))
    lines = console.export_text().splitlines()
    assert lines[0].split() == ["score", "thresholded", "sampled"]
    assert lines[2].split()[:5] == ["test", "accuracy", "0.970", "±", "0.025"]
    assert lines[3].split() == ["test", "precision", "0.930", "±", "0.066"]
    assert len(lines[2:8]) == 6
    assert lines[7].split()[:2] == ["validation", "recall"]
