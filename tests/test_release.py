"""What a release says of itself agrees: version, licence, Python versions, changelog, citation."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import bnrun

ROOT = Path(bnrun.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_citation_agrees_with_the_package():
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert set(CITATION["keywords"]) <= set(PROJECT["keywords"])
    assert [author["name"] for author in CITATION["authors"]] == [
        author["name"] for author in PROJECT["authors"]
    ]


def test_the_changelog_dates_the_version_as_the_citation_does():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version, date = re.findall(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)[0]
    assert (version, date) == (CITATION["version"], CITATION["date-released"])
    assert changelog.index("## Unreleased") < changelog.index(f"## {version}")


def test_the_classifiers_name_the_versions_of_python_that_are_supported():
    prefix = "Programming Language :: Python :: 3."
    named = [int(line.removeprefix(prefix)) for line in PROJECT["classifiers"] if prefix in line]
    lowest, end = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert named == list(range(int(lowest), int(end)))


@pytest.mark.parametrize("words", [["--version"], ["--version", "estimator=st"]])
def test_the_command_line_says_its_version(words, command):
    assert command(*words) == (0, f"bnrun {PROJECT['version']}\n", "")


def test_the_package_says_its_version():
    assert bnrun.__version__ == PROJECT["version"]
