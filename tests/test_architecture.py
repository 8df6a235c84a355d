"""Imports point one way."""

import ast
from pathlib import Path

import pytest

import bnrun

PACKAGE = Path(bnrun.__file__).parent

# What each part may import of the project; the composition root may import everything.
ALLOWED = {
    "fields": set(),
    "files": set(),
    "intervals": set(),
    "philox": {"philox_cuda"},
    "philox_cuda": set(),
    "noise": {"philox"},
    "capture": {"data", "estimators"},
    "neurons": {"fields", "noise"},
    "layers": {"narrow", "noise"},
    "narrow": set(),
    "estimators": {"estimators", "fields", "neurons", "noise"},
    "models": {"models", "estimators", "layers", "fields", "noise"},
    "tasks": {"tasks", "data", "estimators", "fields", "layers", "models", "neurons", "noise"},
    "data": {"data", "fields", "noise", "files"},
    "measurement/gradients": set(),
    "measurement": {"measurement", "data", "estimators", "models", "tasks", "neurons", "noise"},
    "conformance": {
        *("conformance", "estimators", "measurement", "neurons", "noise"),
        *("api", "errors", "fields", "files", "paths"),
    },
    "recording": {"recording", "intervals", "files"},
    # verify is the subcommand that runs something.
    "report": {"report", "recording", "intervals", "files", "run_id", "jobs"},
    "jobs/receipt": set(),
    "jobs/checkpoint": {"files"},
    "jobs/claim": set(),
    "jobs/signals": set(),
}


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("bnrun.")}
    return found


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_one_way(part):
    single = PACKAGE / f"{part}.py"
    files = [single] if single.exists() else sorted((PACKAGE / part).rglob("*.py"))
    assert files
    for file in files:
        assert imported(file) <= ALLOWED[part], file


def test_only_the_recorder_imports_tensorboard():
    users = {
        file.name
        for file in PACKAGE.rglob("*.py")
        if "tensorboard" in {name.split(".")[0] for name in _packages(file)}
        or "torch.utils.tensorboard" in _packages(file)
    }
    assert users == {"recorder.py"}


def _packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found
