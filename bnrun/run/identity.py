"""What a run was computed from. Its config and data decide; its code and versions are reported.

The data of a finished run are not read again if it is known that they have not changed: if their
checksums are in the config, or if its files have the size, times and inode that they had. Else they
are loaded, and their hashes compared.
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnrun.config.complaint import mistakes
from bnrun.config.errors import UserError
from bnrun.config.run_id import scientific
from bnrun.recording.result import Result
from bnrun.run.outcome import flat, versions
from bnrun.run.source import changes_hash, commit, own_code, sha256

if TYPE_CHECKING:
    from bnrun.data.base import Dataset

DATA_FILES = "data_files"
"""Key of the receipt."""

Code = dict[str, Any]
"""The code of a run: commit, changes to it, versions of packages, and the user's own files."""

Loaded = dict[str, dict[str, Any]]
"""Config of a dataset -> hashes of its data, so that the jobs of a sweep load them once."""


def data_files(dataset: "Dataset", start: Path) -> dict[str, Any] | None:
    """What tells later, without reading them, that the files of a dataset are still the same.

    None if they are not known. start  the folder where relative paths begin
    """
    kind = type(dataset)
    if not kind.__module__.startswith("bnrun.") and "sources" not in vars(kind):
        return None  # A subclass may read other files than its base.
    files = dataset.sources()
    if files is None:
        return None
    return {
        "start": str(start),
        "files": {str(start / path): _mark(start / path) for path in files},
    }


def conflict(
    config: Mapping[str, Any],
    result: Result,
    start: Path,
    loaded: Loaded,
    log: Callable[[str], None],
) -> str:
    """Why a finished run must not be skipped, and what to do; "" if it may be.

    loaded  what is known of the data, and becomes known
    log     gets why this is not known, if the data cannot be loaded
    """
    try:
        reason = other_run(config, result, start, loaded)
    except UserError as error:
        log(f"whether the data are still the same is not known: {error}")
        return ""
    how = "rerun it with resume=force, or give the new run another name=..."
    return f"has a result {reason}; {how}" if reason else ""


def other_run(config: Mapping[str, Any], result: Result, start: Path, loaded: Loaded) -> str:
    """Why a result is not that of a config with the data of today; "" if it is.

    Raises UserError if it is not known, because the data cannot be loaded or have no hashes.
    """
    if changes := config_changes(result["config"], config):
        return f"of another config, {', '.join(changes[:3])}"
    if _same_files(config, result, start):
        return ""
    if not result["data"]:
        raise UserError("it recorded no hashes of its data")
    hashes = _hashes_now(config, start, loaded)
    names = [
        name
        for name in sorted(hashes | result["data"])
        if hashes.get(name) != result["data"].get(name)
    ]
    return f"of other data, {', '.join(names[:6])} changed" if names else ""


def config_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys that affect results and differ, with their values."""
    old, new = flat(_plain(scientific(then))), flat(_plain(scientific(now)))
    return [
        f"{key} was {old.get(key, 'missing')} and is {new.get(key, 'missing')}"
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]


def _same_files(config: Mapping[str, Any], result: Result, start: Path) -> bool:
    """Whether it is known that the data are the same, without loading them."""
    match receipt_of(result).get(DATA_FILES):
        case {"files": dict(files), "start": first}:
            same = first == str(start) and result["config"]["dataset"] == _plain(config["dataset"])
            return not files or (same and all(_mark(Path(p)) == m for p, m in files.items()))
        case _:
            return False


def _hashes_now(config: Mapping[str, Any], start: Path, known: Loaded) -> dict[str, Any]:
    """The hashes of the data that a config loads."""
    key = json.dumps([config["dataset"], str(start)], sort_keys=True)
    if key not in known:
        # Imported here, because skipping a run need not wait 1.7 s for torch.
        from bnrun.data.loading import loaded
        from bnrun.run.kinds import build

        with mistakes(), chdir(start):
            known[key] = dict(loaded(build(config, "dataset")).hashes)
    return known[key]


def receipt_of(result: Result) -> dict[str, Any]:
    """The receipt in a result; {} if it has none."""
    found = dict(result).get("receipt")
    return found if isinstance(found, dict) else {}


def code_now(config: Mapping[str, Any]) -> Code:
    """The code that is running; of the user's own, that which a resolved config names."""
    return {
        "commit": commit(),
        "changes": changes_hash(),
        "versions": versions(),
        "own_code": own_code(config),
    }


def code_of(result: Result) -> Code:
    """The code that computed a result."""
    receipt = receipt_of(result)
    return {
        "commit": result["commit"],
        "changes": receipt.get("changes"),
        "versions": result["versions"],
        "own_code": own if isinstance(own := receipt.get("own_code"), dict) else {},
    }


def changes_of_code(then: Code) -> list[str]:
    """In words, how the code of today differs from that of a run."""
    old_versions, new_versions = then.get("versions", {}), versions()
    old_files: Mapping[str, str] = then.get("own_code", {})
    pairs = [
        ("commit", then.get("commit"), commit()),
        *((name, old, new_versions.get(name)) for name, old in old_versions.items()),
        ("changes to the code", then.get("changes"), changes_hash()),
        *((file, old, sha256(Path(file))) for file, old in old_files.items()),
    ]
    return [
        f"{name} ({_short(old)} then, {_short(new)} now)" for name, old, new in pairs if old != new
    ]


def _short(value: Any) -> str:
    """The beginning of a hash is enough to tell it from another."""
    text = str(value)
    return text[:12] if len(text) >= 40 and text.rstrip("+").isalnum() else text or "none"


def _mark(path: Path) -> list[int] | None:
    """What changes whenever a file is written or replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _plain(node: Any) -> Any:
    """A config as it comes out of a JSON file."""
    match node:
        case dict():
            return {str(key): _plain(value) for key, value in node.items()}
        case list() | tuple():
            return [_plain(value) for value in node]
        case float() if not math.isfinite(node):
            return None
        case _:
            return node
