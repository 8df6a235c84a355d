"""Finding and reading the folders of runs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bnrun.recording.metrics import METRICS, last_step
from bnrun.recording.result import RESULT, Result, read_result

_MARKS = (RESULT, METRICS, ".hydra")
"""Any of these makes a folder the folder of a run."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    overridden  config keys that its command line names, e.g. optimizer.lr
    """

    folder: Path
    result: Result
    overridden: frozenset[str]


@dataclass(frozen=True)
class Found:
    """What there is below some folders.

    unfinished  folder -> last step in its metrics file, None if there is none
    broken      one sentence for each result that cannot be read
    """

    runs: list[Run] = field(default_factory=list)
    unfinished: dict[Path, int | None] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def find_runs(paths: Sequence[Path]) -> Found:
    """Every run in `paths`, each a run's folder or one above it.

    Raises ValueError if a path is no folder or if there is no run at all.
    """
    found = Found()
    for folder in dict.fromkeys(folder for path in paths for folder in _run_folders(path)):
        if not (folder / RESULT).exists():
            found.unfinished[folder] = last_step(folder)
            continue
        try:
            found.runs.append(Run(folder, read_result(folder / RESULT), _overridden(folder)))
        except ValueError as error:
            found.broken.append(str(error))
    if not (found.runs or found.unfinished or found.broken):
        raise ValueError(
            f"no run in {', '.join(map(str, paths))}: give the folder of a run or of a study, "
            f"such as outputs/<name> after bnrun name=<name>"
        )
    return found


def _run_folders(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder")
    for place, folders, files in os.walk(path):
        if any(mark in files or mark in folders for mark in _MARKS):
            folders.clear()
            yield Path(place)
        folders.sort()


def _overridden(folder: Path) -> frozenset[str]:
    path = folder / ".hydra" / "overrides.yaml"
    if not path.is_file():
        return frozenset()
    try:
        overrides = yaml.safe_load(path.read_bytes()) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML") from error
    return frozenset(str(override).lstrip("+~").partition("=")[0] for override in overrides)
