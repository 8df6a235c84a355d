"""The example notebook runs from top to bottom, and is stored without its outputs."""

import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from pages import ROOT

NOTEBOOK = ROOT / "docs" / "examples" / "compare_in_notebook.ipynb"


def code_cells():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.filterwarnings("ignore:.*cannot be shown")  # plt.show() without a window
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    names = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells()):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert len(plt.get_fignums()) == 2
    plt.close("all")
    assert len(names["runs"]) == 6
    assert len(names["study"]) == 7


def test_the_notebook_is_stored_without_outputs():
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code_cells())
