"""The columns of a report are the settings that differ, each once."""

from pathlib import Path

import pytest
from finished_runs import finish

from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate

pytestmark = pytest.mark.usefixtures("here")


def columns(*paths: str) -> dict[str, tuple[str, ...]]:
    """Title -> cells of the settings that differ or are named."""
    table = tabulate(find_runs([Path(path) for path in paths or ("study",)]).runs)
    return {column.title: column.cells for column in table.settings if not column.constant}


def test_values_determined_by_a_choice_are_not_columns() -> None:
    finish("study/a", estimator="st")
    finish("study/b", estimator="sigmoid_st", estimator__slope=1.0)
    finish("study/c", "dbn", "st")
    assert columns().keys() == {"neuron", "estimator"}


def test_values_that_differ_within_a_choice_are_columns_sorted_as_numbers() -> None:
    for slope in (10.0, 2.0, 1.5):
        finish(f"study/{slope}", estimator="sigmoid_st", estimator__slope=slope)
    finish("study/st")
    assert columns() == {
        "estimator": ("sigmoid_st", "sigmoid_st", "sigmoid_st", "st"),
        "estimator.slope": ("1.5", "2.0", "10.0", "–"),
    }


def test_a_value_named_on_the_command_line_is_a_column_even_if_its_choice_determines_it() -> None:
    finish("study/a", estimator="st")
    finish(
        "study/b", estimator="sigmoid_st", estimator__slope=2.0, overrides=["+estimator.slope=2"]
    )
    assert columns()["estimator.slope"] == ("2.0", "–")


def test_a_value_of_another_group_is_a_column_even_if_it_varies_with_the_estimator() -> None:
    finish("study/a", estimator="st", optimizer__lr=0.5)
    finish("study/b", estimator="sigmoid_st", optimizer__lr=1.5)
    assert columns()["optimizer.lr"] == ("1.5", "0.5")


def test_a_value_copied_into_another_group_is_shown_once() -> None:
    finish("study/a", neuron__signed=True, estimator__neuron__signed=True)
    finish("study/b")
    assert columns() == {"neuron.signed": ("false", "true")}


def test_options_that_do_not_change_results_are_not_columns_but_the_study_is() -> None:
    finish("study/a", dataset__root="/data", device="cpu", resume="auto", recorder={"x": 1})
    finish("study/b", name="other", device="cuda", resume="never", recorder={"x": 2})
    assert columns() == {"name": ("other", "study")}
