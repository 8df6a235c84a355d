"""Finding and reading the folders of runs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bnrun.recording.metrics import METRICS, TIMES, last_step
from bnrun.recording.result import RESULT, Result, read_result

_HYDRA = ".hydra"
_OVERRIDES = f"{_HYDRA}/overrides.yaml"
_MARKERS = (RESULT, METRICS, _HYDRA)
"""A folder with any of these is the folder of a run."""

_READ = (RESULT, METRICS, TIMES, _HYDRA, _OVERRIDES)

_LARGE = 2**20
"""Bytes; Hydra's file of overrides has some hundred."""


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
    broken      one sentence per run, or link to one, that cannot be read
    """

    runs: list[Run] = field(default_factory=list)
    unfinished: dict[Path, int | None] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def find_runs(paths: Sequence[Path]) -> FoundRuns:
    """Every run in `paths`, each of which is the folder of a run or one above several.

    Links that lead out of a path are not followed. Raises ValueError if a path is not a folder or
    if there is no run at all.
    """
    found = FoundRuns()
    roots: dict[Path, Path] = {}
    for path in paths:
        roots |= dict.fromkeys(_run_folders(path, found), path)
    for folder, root in roots.items():
        try:
            _check_links(folder, root)
            if os.path.lexists(folder / RESULT):
                result = read_result(folder / RESULT)
                found.runs.append(Run(folder, result, overridden(folder)))
            else:
                found.unfinished[folder] = last_step(folder)
        except ValueError as error:
            found.broken.append(str(error))
    if not (found.runs or found.unfinished or found.broken):
        raise ValueError(
            f"no run in {', '.join(map(str, paths))}: give the folder of a run or of a study, "
            f"such as outputs/<name> after bnrun name=<name>"
        )
    return found


def finished(found: FoundRuns) -> list[Run]:
    """The finished runs. Raises ValueError if there is none."""
    if found.runs:
        return found.runs
    if found.broken:
        raise ValueError(found.broken[0])
    first, *others = found.unfinished
    none = f"none of {1 + len(others)} runs is finished (the first: {first})"
    which = none if others else f"the run {first} is not finished"
    raise ValueError(f"{which}: run the same command again to resume")


def _run_folders(root: Path, found: FoundRuns) -> Iterator[Path]:
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    for name, subfolders, files in os.walk(root):
        folder = Path(name)
        if any(marker in files or marker in subfolders for marker in _MARKERS):
            subfolders.clear()
            yield folder
        for linked in [name for name in subfolders if (folder / name).is_symlink()]:
            # Others are found where they are.
            if _leads_out(folder / linked, root):
                found.broken.append(f"{folder / linked}: a link that leads out of {root}")
        subfolders.sort()


def _check_links(folder: Path, root: Path) -> None:
    """Raises ValueError if a file of the run is a link to something outside of `root`."""
    for name in _READ:
        path = folder / name
        if path.is_symlink() and _leads_out(path, root):
            raise ValueError(f"{path}: a link that leads out of {root}")


def _leads_out(link: Path, root: Path) -> bool:
    try:
        return not link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # Python 3.11 raises RuntimeError for a loop.
        return True


def overridden(folder: Path) -> frozenset[str]:
    """Keys named on the command line of a run. Raises ValueError if its file is damaged."""
    path = folder / _OVERRIDES
    if not os.path.lexists(path):
        return frozenset()
    try:
        if path.stat().st_size > _LARGE or not path.is_file():
            raise ValueError(f"{path}: not a file of overrides")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        overrides = yaml.safe_load(content) or []
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not YAML") from error
    if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
        raise ValueError(f"{path}: not a list of overrides")
    return frozenset(word.lstrip("+~").partition("=")[0] for word in overrides)
