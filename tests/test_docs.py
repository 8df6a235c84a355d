"""README and docs keep what they promise: every command and every example in them is run."""

import re

import pytest
from pages import NOT_RUN, PAGES, ROOT, Commands, blocks, imports_of, write_files

# bnrun silences it for users, but pytest has filters of its own.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*validated against ConfigStore schema")

WITH_CODE = [page for page in PAGES if {"sh", "python"} & {block.kind for block in blocks(page)}]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_every_command_and_example_of_a_page_runs(page, tmp_path, monkeypatch, capfd):
    """In the order of the page, all in one folder."""
    monkeypatch.chdir(tmp_path)
    run = Commands(monkeypatch)
    with imports_of(tmp_path):
        write_files(page, tmp_path)
        for block in blocks(page):
            if block.kind == "python" and not block.file:
                exec(compile(block.text, page.name, "exec"), {})
            if block.kind == "sh" and not block.ci and not block.not_run:
                for line in block.text.splitlines():
                    status = run(line)
                    out, err = capfd.readouterr()
                    assert status == 0, f"{line}\n{out}{err}"
    if page.name == "tutorial.md":
        named = set(re.findall(r"outputs/[\w./-]+\.(?:html|tex|svg|pdf)", page.read_text()))
        assert len(named) == 4
        assert not [path for path in named if not (tmp_path / path).exists()]


def test_few_commands_are_not_run():
    left_out = [block for page in PAGES for block in blocks(page) if block.not_run]
    assert [block.intro.removeprefix(NOT_RUN).split(":")[0] for block in left_out] == [
        "ray is not among the packages that the tests install.",
        "needs a Slurm cluster.",
        "trackio 0.43 needs an older Pillow than the one they install.",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text()), target


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_has_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    linked = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert linked == {page.name for page in PAGES} - {"README.md"}
