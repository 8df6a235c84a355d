"""Imports point one way: a rule for every folder, for every file, for every import.

An import inside a function counts as much as one at the head of a file: it saves time, and changes
nothing about who knows whom. A string that names a module ("bnrun.core.noise") counts too.
"""

import ast
import re
from pathlib import Path

import pytest

import bnrun

PACKAGE = Path(bnrun.__file__).parent

# What each folder may import besides itself. Read from the top: below the rule for a folder stand
# only those that may import it.
MODEL_SIDE = {"core", "data", "recording"}
MAY_IMPORT = {
    # On the ground.
    "kernels": set(),
    "recording": set(),
    "core": {"kernels"},
    "config": {"core"},
    "data": {"core"},
    # Networks, and what trains them.
    "estimators": {"core"},
    "models": {"core", "config"},
    "tasks": {*MODEL_SIDE, "models"},
    "measurement": {*MODEL_SIDE, "estimators", "models", "tasks", "config"},
    "training": {*MODEL_SIDE, "estimators", "models", "tasks", "measurement", "config"},
    # Beside them: files alone.
    "report": {"recording", "config"},
    # Runs, sweeps, and checks of an estimator.
    "run": {
        *(*MODEL_SIDE, "estimators", "models", "tasks"),
        *("measurement", "training", "config", "report"),
    },
    "sweep": {"config", "recording", "report", "training", "run"},
    "conformance": {"core", "estimators", "measurement", "config", "run"},
}
# The files above all folders. Nothing but __main__ may import one of them.
TOP = {
    "__init__": {
        *("api", "binary", "core", "estimators"),
        *("conformance", "report", "run", "runner", "sweep"),
    },
    "__main__": {"cli", "run"},
    "cli": {"config", "run", "task"},
    "task": {"config", "run", "sweep"},
    "runner": {"config", "report", "task"},
    "api": {"config", "core", "estimators", "run"},
    "binary": {"api", "config", "core", "estimators"},
    "report_cli": {"config", "report", "run"},
}


def imported(file: Path) -> set[str]:
    """Names of the package's parts that a file imports or names, itself included."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module="bnrun"):
                names = [f"bnrun.{alias.name}" for alias in node.names]
            case ast.ImportFrom():
                names = [node.module or ""]
            case ast.Constant(value=str() as text) if re.fullmatch(r"bnrun\.[a-z_.]+", text):
                names = [text]
            case _:
                continue
        found |= {name.split(".")[1] for name in names if name.startswith("bnrun.")}
    return found


def test_every_file_has_a_rule():
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/**/*.py")}
    assert folders == set(MAY_IMPORT)
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(TOP)


def test_the_rules_have_no_circle():
    done: set[str] = set()
    while left := set(MAY_IMPORT) - done:
        free = {part for part in left if MAY_IMPORT[part] <= done}
        assert free, f"circle among {sorted(left)}"
        done |= free


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_folder_imports_what_its_rule_allows(part):
    for file in sorted((PACKAGE / part).rglob("*.py")):
        assert imported(file) <= MAY_IMPORT[part] | {part}, file.relative_to(PACKAGE)


@pytest.mark.parametrize("name", TOP)
def test_a_file_at_the_top_imports_what_its_rule_allows(name):
    assert imported(PACKAGE / f"{name}.py") <= TOP[name]


# Folders inside a folder, by the same rule.
STOREYS = {"read": set(), "compare": {"read"}, "render": {"read", "compare"}}


@pytest.mark.parametrize("storey", STOREYS)
def test_a_report_is_read_then_compared_then_rendered(storey):
    report = PACKAGE / "report"
    assert {path.parent.name for path in report.glob("*/*.py")} == set(STOREYS)
    for file in sorted((report / storey).glob("*.py")):
        names = {m.split(".")[2] for m in _packages(file) if m.startswith("bnrun.report.")}
        assert names <= STOREYS[storey] | {storey}, file.relative_to(PACKAGE)


def test_only_the_files_of_tensorboard_import_it():
    users = {
        file.name
        for file in PACKAGE.rglob("*.py")
        if {"tensorboard", "torch.utils.tensorboard"} & _packages(file)
    }
    assert users == {"events.py", "summaries.py"}


def _packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found | {name.split(".")[0] for name in found}
