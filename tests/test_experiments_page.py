"""The page of experiments and README name every experiment, and nothing else."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = {path.stem for path in (ROOT / "configs/experiment").glob("*.yaml")}


def words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_the_page_has_a_row_for_every_experiment():
    lines = (ROOT / "docs/experiments.md").read_text().splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    assert words(" ".join(rows)) == NAMES


def test_readme_lists_every_experiment():
    (row,) = re.findall(r"^\| `experiment=` \|.*$", (ROOT / "README.md").read_text(), re.M)
    assert words(row) == NAMES
