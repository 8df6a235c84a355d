"""What the page's script hides and what its links lead to."""

import re
from pathlib import Path

import pytest
from studies import change, far, finish

from bnrun.report.compare.contest import contests
from bnrun.report.read.runs import find_runs
from bnrun.report.read.settings import tabulate
from bnrun.report.render.marks import Facets, run_links
from bnrun.report_cli import main


@pytest.fixture(autouse=True)
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for hidden in ([50], [200, 100]):
        for neuron in ("my_sbn", "sbn"):
            for estimator in ("st", "reinmax"):
                place = finish(f"{neuron} {len(hidden)} {estimator}", far(0.0), estimator, neuron)
                change(place, config__model={"hidden": hidden})


def test_settings_in_which_contests_differ_are_facets_even_if_their_values_hold_commas() -> None:
    table = tabulate(find_runs([Path("study")]).runs)
    facets = Facets.of(table, contests(table))
    assert facets.titles == ["neuron", "model.hidden"]
    assert facets.values == [["my_sbn", "sbn"], ["[200, 100]", "[50]"]]
    words = {run.folder.name: facets.words(run) for run in table.runs}
    assert words["my_sbn 1 st"] == words["my_sbn 1 reinmax"] == "0-0 1-1"
    assert words["sbn 2 st"] == "0-1 1-0"


def test_links_start_from_the_folder_of_the_page() -> None:
    table = tabulate(find_runs([Path("study")]).runs)
    drawn = contests(table)[:1]
    links = {link.name: link for link in run_links(table, drawn, Path("docs/tables"))}
    link = links["sbn 2 st"]
    assert link.address == "../../study/sbn%202%20st/"
    assert (Path("docs/tables").absolute() / "../../study/sbn 2 st").resolve().is_dir()
    assert link.command == "tensorboard --logdir 'study/sbn 2 st'"
    assert sum(link.curves == 0 for link in links.values()) == 2


def test_every_link_inside_the_page_has_its_place() -> None:
    main(["study"])
    html = Path("study/report.html").read_text()
    ids = set(re.findall(r'id="([\w-]+)"', html))
    targets = set(re.findall(r'href="#([\w-]+)"', html))
    assert targets <= ids
    assert {f"run-{n}" for n in range(8)} <= targets
    assert {f"curves-{n}" for n in range(4)} <= targets


def test_without_javascript_the_page_has_every_row_and_no_control_that_does_nothing() -> None:
    main(["study"])
    html = re.sub(r"<script>.*?</script>", "", Path("study/report.html").read_text(), flags=re.S)
    tables = re.findall(r"<table.*?</table>", html, re.S)
    titles = re.findall(r"<h2>([^<]*)</h2>(?:(?!<h2>).)*?<table", html, re.S)
    assert titles == [
        "Every setting at a glance",
        "Test accuracy sampled over 4 settings (accuracy as it is)",
        *("Final scores", "Pairs", "Ways of evaluating", "Cost", "All runs"),
    ]
    rows = [len(re.findall(r"<tr", table)) - 1 for table in tables]
    assert rows == [2, 2, 8, 4, *[2] * 4, 8, 8]
    assert len(re.findall("<figure>|<figure ", html)) == len(re.findall("<svg", html)) > 0
    # The script shows what works only with it.
    shown = re.sub(
        r'<div class="controls" hidden>.*?<p class="hiding" hidden>', "", html, flags=re.S
    )
    assert "data-toggle" in html
    assert re.findall(r"<(?:button|select|input)(?![^>]* hidden>)", shown) == []
