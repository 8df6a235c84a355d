"""Finding and reading the folders of runs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bnrun.recording.metrics import METRICS, last_step
from bnrun.recording.result import RESULT, Result, read_result

_MARKERS = (RESULT, METRICS, ".hydra")
"""A folder with any of these is the folder of a run."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    overridden  config keys named on its command line, e.g. optimizer.lr
    """

    folder: Path
    result: Result
    overridden: frozenset[str]


@dataclass(frozen=True)
class FoundRuns:
    """The runs in some folders.

    unfinished  folder -> last step in its metrics file, None if it has none
    broken      one sentence per result that cannot be read
    """

    runs: list[Run] = field(default_factory=list)
    unfinished: dict[Path, int | None] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def find_runs(paths: Sequence[Path]) -> FoundRuns:
    """Every run in `paths`, each of which is the folder of a run or one above several.

    Raises ValueError if a path is not a folder or if there is no run at all.
    """
    found = FoundRuns()
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
    for folder, subfolders, files in os.walk(path):
        if any(marker in files or marker in subfolders for marker in _MARKERS):
            subfolders.clear()
            yield Path(folder)
        subfolders.sort()


def _overridden(folder: Path) -> frozenset[str]:
    path = folder / ".hydra" / "overrides.yaml"
    if not path.is_file():
        return frozenset()
    try:
        overrides = yaml.safe_load(path.read_bytes()) or []
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML") from error
    return frozenset(str(override).lstrip("+~").partition("=")[0] for override in overrides)
