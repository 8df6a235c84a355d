"""README's own promises; tests/test_docs.py runs its commands and examples."""

import re
import subprocess

import pytest
from pages import ROOT, Commands, blocks

PAGE = ROOT / "README.md"
README = PAGE.read_text()


def test_readme_stays_short():
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize("marker", ["run", "test"])
def test_ci_runs_the_set_up_lines_as_they_stand(marker):
    """.ci/run takes them from README by a function of its own, which is called here."""
    script = (ROOT / ".ci" / "run").read_text()
    (function,) = re.findall(r"^line\(\) .*$", script, re.MULTILINE)
    assert f"=$(line {marker})" in script
    taken = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{function}; line {marker}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (block,) = (block for block in blocks(PAGE) if block.ci == marker)
    assert taken == block.text


def test_the_output_of_the_first_run_has_the_form_that_readme_shows(tmp_path, monkeypatch, capfd):
    (shown,) = (block.text for block in blocks(PAGE) if block.text.lstrip().startswith("test"))
    monkeypatch.chdir(tmp_path)
    assert Commands(monkeypatch)("bnrun seeds=10") == 0
    printed = capfd.readouterr().out.partition("folder: ")[0]
    assert form(printed).replace("2 seeds", "10 seeds") == form(shown)


def form(text):
    """Words, without numbers and layout."""
    return re.sub(r"\d\.\d+", "#", " ".join(text.replace("─", "").split()))


def choices(option):
    """The choices in README's table of options."""
    (row,) = re.findall(rf"^\| `{option}=` \| (.*) \|$", README, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("option", ["dataset", "task", "experiment"])
def test_the_table_of_options_lists_every_choice(option):
    assert choices(option) == {path.stem for path in (ROOT / "configs" / option).glob("*.yaml")}


def test_the_list_of_folders_is_that_of_the_package():
    (listed,) = (block.text for block in blocks(PAGE) if block.text.startswith("bnrun/"))
    names = set(re.findall(r"(\w+)/ ", listed.replace("bnrun/", " ", 1)))
    package = (ROOT / "bnrun").iterdir()
    assert names == {path.name for path in package if (path / "__init__.py").exists()}
