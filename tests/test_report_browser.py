"""The report's page in a browser: hiding, sorting, filtering, values, links, arranging."""

from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, outcome
from studies import far, finish, record

from bnrun.report_cli import main

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

SCRIPT = """
const shown = (element) => element.getClientRects().length > 0;
const table = (title) => {
  const heading = [...document.querySelectorAll("h2")].find((h) => h.textContent === title);
  let next = heading;
  while (!next.querySelector?.("table")) next = next.nextElementSibling;
  return next.querySelector("table");
};
const column = (t, n) => [...t.tBodies[0].rows].filter(shown).map((r) => r.cells[n].textContent);
const press = (t, n) => t.tHead.rows[0].cells[n].firstChild.click();
const said = {};

// Sorting: numbers start with the largest, and a second click turns the order.
const final = table("Final scores");
const mean = [...final.tHead.rows[0].cells].findIndex((c) => c.textContent.startsWith("test"));
press(final, mean);
said.down = column(final, mean);
press(final, mean);
said.up = column(final, mean);
said.arrow = final.tHead.rows[0].cells[mean].ariaSort;
press(final, 1);
said.words = column(final, 1);

// Filtering: all words must be in a row.
const box = final.parentNode.previousElementSibling;
box.value = "reinmax neuron=sbn";
box.dispatchEvent(new Event("input"));
said.filtered = column(final, 1);
box.value = "";
box.dispatchEvent(new Event("input"));

// Hiding a contestant hides it everywhere; so does a choice of settings.
const chip = [...document.querySelectorAll("[data-toggle]")].find((b) => b.textContent === "st");
said.pairs = column(table("Pairs"), 0).length;
chip.click();
said.hidden = [...document.querySelectorAll(".bars .name")].filter(shown).map((e) => e.textContent);
said.pairs_left = column(table("Pairs"), 0).length;
said.lines = document.querySelectorAll('.plot [data-c]').length
  - [...document.querySelectorAll('.plot [data-c]')].filter(shown).length;
const select = document.querySelector("[data-facet]");
said.facets = [...select.options].map((o) => o.text);
select.value = select.options[2].value;
select.dispatchEvent(new Event("change"));
const settings = [...document.querySelectorAll(".card .setting")];
said.cards = settings.filter(shown).map((e) => e.textContent);
said.note = document.querySelector(".hiding").textContent;
select.value = "";
select.dispatchEvent(new Event("change"));
chip.click();
said.back = [shown(document.querySelector(".hiding")), column(table("Pairs"), 0).length];

// Curves side by side.
const by = document.querySelector("[data-arrange]");
by.value = "title";
by.dispatchEvent(new Event("change"));
said.groups = [...document.querySelectorAll("#curves h3")].map((h) => h.textContent);
said.group = [...document.querySelectorAll("#curves h3 + .figures")].map((g) => g.children.length);
by.value = "";
by.dispatchEvent(new Event("change"));
said.settings = [...document.querySelectorAll("#curves h3")].map((h) => h.textContent);

// Values under the pointer.
const svg = document.querySelector("#curves .chart");
const place = svg.getBoundingClientRect();
svg.dispatchEvent(new PointerEvent("pointermove", {
  clientX: place.left + place.width * 451 / 460, clientY: place.top + 20 }));
said.tip = document.querySelector(".tip").textContent;

// From a contestant to its run, to its curves, to its folder: a click each.
const name = document.querySelector(".bars .name a");
name.click();
const row = document.querySelector(location.hash);
said.run = row.cells[0].querySelector("a").getAttribute("href");
said.curves = [...row.querySelectorAll("a")].map((a) => a.textContent);
row.querySelectorAll("a")[1].click();
said.curve = document.querySelector(location.hash).textContent;
const copy = row.querySelector(".copy");
copy.click();
said.command = row.querySelector("code").textContent;
return said;
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("browser"))
        for neuron, more in (("my_sbn", 0.0), ("sbn", 0.2)):
            for estimator, offset in (("st", 0.0), ("reinmax", 0.1), ("disarm", 0.15)):
                scores = far(offset + more)
                place = finish(f"{neuron} {estimator}", scores, estimator, neuron)
                curve = {"accuracy/test/sampled": [far(-0.3), scores], "loss/train": [far(0.9)]}
                record(place, curve, 10)
        assert main(["study"]) == 0
        page = Path("study/report.html").resolve()
        return {**outcome(page, SCRIPT), "page": str(page)}


def test_a_click_on_a_title_sorts_a_table(said: dict[str, Any]) -> None:
    means = ["0.85090", "0.80090", "0.70090", "0.65090", "0.60090", "0.50090"]
    assert [cell.split()[0] for cell in said["down"]] == means
    assert [cell.split()[0] for cell in said["up"]] == means[::-1]
    assert said["arrow"] == "ascending"
    assert said["words"] == ["disarm", "disarm", "reinmax", "reinmax", "st", "st"]


def test_what_is_typed_filters_a_table(said: dict[str, Any]) -> None:
    assert said["filtered"] == ["reinmax"]


def test_a_contestant_and_a_setting_can_be_hidden(said: dict[str, Any]) -> None:
    assert said["hidden"] == ["disarm", "reinmax"] * 2
    assert (said["pairs"], said["pairs_left"]) == (6, 2)
    assert said["lines"] > 0
    assert said["facets"] == ["all", "my_sbn", "sbn"]
    assert said["cards"] == ["neuron=sbn"]
    assert said["note"].startswith("Hidden: st. Shown: only neuron=sbn. Intervals and p remain")
    assert said["back"] == [False, 6]


def test_the_same_figure_of_all_settings_can_be_put_side_by_side(said: dict[str, Any]) -> None:
    assert said["groups"][0] == "Test accuracy sampled against updates"
    assert set(said["group"]) == {2}
    assert said["settings"] == ["neuron=my_sbn", "neuron=sbn"]


def test_the_pointer_shows_values(said: dict[str, Any]) -> None:
    head, *lines = said["tip"].split("\n")
    assert head.startswith("at 10")
    assert [line.split()[:2] for line in lines] == [
        ["disarm:", "0.651"],
        ["reinmax:", "0.601"],
        ["st:", "0.501"],
    ]


def test_curves_and_folder_of_a_run_are_two_clicks_away(said: dict[str, Any]) -> None:
    assert said["run"] == "my_sbn%20disarm/"
    assert said["curves"] == ["my_sbn disarm", "curves"]
    assert said["curve"] == "neuron=my_sbn"
    assert said["command"].startswith("tensorboard --logdir 'study/my_sbn disarm'")


RENEWED = """
if (!history.state) {
  [...document.querySelectorAll("[data-toggle]")].find((b) => b.textContent === "st").click();
  const box = document.querySelector("input[type=search]");
  box.value = "disarm";
  box.dispatchEvent(new Event("input"));
  scrollTo(0, 300);
  await new Promise(() => {});  // Until the page reloads itself.
}
document.querySelector("input[type=search]").focus({ preventScroll: true });  // Stays as it is.
const chips = [...document.querySelectorAll("[aria-pressed=false]")];
return {
  hidden: chips.map((chip) => chip.textContent),
  filter: document.querySelector("input[type=search]").value,
  scroll: scrollY,
};
"""


def test_a_page_that_renews_itself_keeps_what_was_chosen(said: dict[str, Any]) -> None:
    page = Path(said["page"])
    text = page.read_text().replace("<body>", '<body data-renew="1">')
    renewing = page.with_name("renewing.html")
    renewing.write_text(text)
    assert outcome(renewing, RENEWED) == {"hidden": ["st"], "filter": "disarm", "scroll": 300}
