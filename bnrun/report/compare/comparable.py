"""Which runs can be compared with each other: those on the same data, trained equally long.

Runs that differ in their settings are in different contests. What is here looks behind the
settings: the same dataset may have been another file, the same number of epochs another number of
updates, the same estimator other code.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bnrun.recording.result import Result
from bnrun.report.read.runs import Run

EVALUATION = (
    *("trainer.evaluate_examples", "trainer.evaluate_slopes", "trainer.samples"),
    *("trainer.final_examples", "trainer.final_samples"),
)
"""Settings of the evaluation; runs that differ in them have scores of different kinds."""

BUDGET = ("trainer.epochs", "trainer.steps")
"""Settings that compete only on request, because more training is usually better."""

_CODE = ("bnrun", "torch", "numpy")
"""Packages whose versions may change results."""


def refused(title: str) -> str | None:
    """Why a setting cannot compete; None if it can."""
    if title.split(".")[0] == "dataset" and not title.startswith("dataset.augment"):
        return "runs on different data cannot be compared"
    if title in EVALUATION:
        return "it changes how runs are evaluated, so their scores cannot be compared"
    if title == "seeds":
        return "pairs are compared on the seeds that they share"
    return None


def kinds(runs: Sequence[Run], same_updates: bool) -> list[str]:
    """What sets each run apart from others of the same settings; "" if all can be compared.

    E.g. data=1f0a7b52 where the data of some runs have another hash, or updates=400. Runs without
    hashes, from older versions, are taken to have the data of the others if these agree. The
    updates of a run of which every seed diverged do not count, nor do any without `same_updates`.
    """
    data = [_data(run.result) for run in runs]
    updates = [_updates(run.result) if same_updates else "" for run in runs]
    columns = (("data", _filled(data, "unknown")), ("updates", _filled(updates, "none")))
    apart = [(title, cells) for title, cells in columns if len(set(cells)) > 1]
    return [
        ", ".join(f"{title}={cells[number]}" for title, cells in apart)
        for number in range(len(runs))
    ]


def _filled(cells: Sequence[str], missing: str) -> list[str]:
    """With "" replaced by the only other value, or by `missing` if there are several."""
    known = set(cells) - {""}
    return [cell or (missing if len(known) > 1 else "".join(known)) for cell in cells]


def _data(result: Result) -> str:
    """Short hash of the data's hashes; "" if there are none."""
    if not result["data"]:
        return ""
    text = json.dumps(result["data"], sort_keys=True)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]


def _updates(result: Result) -> str:
    return "" if set(result["seeds"]) <= set(result["diverged"]) else str(result["steps"])


def remarks(runs: Sequence[Run]) -> list[str]:
    """Sentences on what differs between runs that are compared, and may matter."""
    texts = [_several(what, runs, of) for what, of in _COMPARED.items()]
    texts += [_several(f"file {file}", runs, hash_of) for file, hash_of in _own_files(runs)]
    without = [run.folder for run in runs if not run.result["data"]]
    if without:
        texts.append(f"no hash of the data was recorded in {without[0]}: it may differ")
    changed = [run.folder for run in runs if _changes(run.result)]
    if changed:
        texts.append(f"the code had changes that are not committed, e.g. in {changed[0]}")
    return [text for text in texts if text]


def _several(what: str, runs: Sequence[Run], of: Callable[[Result], str]) -> str:
    values: dict[str, Path] = {}
    for run in sorted(runs, key=lambda run: run.folder):
        values.setdefault(of(run.result), run.folder)
    if len(values) == 1:
        return ""
    named = ", ".join(f"{value or 'unknown'} ({folder})" for value, folder in values.items())
    return f"runs that are compared differ in {what}: {named}"


def _own_files(runs: Sequence[Run]) -> Iterator[tuple[str, Callable[[Result], str]]]:
    """Files of users that several runs used, and how to get their hash in each."""
    files = dict.fromkeys(file for run in runs for file in _own_code(run.result))
    for file in files:
        users = [run for run in runs if file in _own_code(run.result)]
        if len({_own_code(run.result)[file] for run in users}) > 1:
            yield file, partial(_hash_of, file)


def _hash_of(file: str, result: Result) -> str:
    return _own_code(result).get(file, "not used")[:8]


def _receipt(result: Result) -> Mapping[str, Any]:
    receipt = result.get("receipt")
    return receipt if isinstance(receipt, dict) else {}


def _own_code(result: Result) -> Mapping[str, str]:
    files = _receipt(result).get("own_code")
    return {k: str(v) for k, v in files.items()} if isinstance(files, dict) else {}


def _changes(result: Result) -> str:
    """Hash of the changes to the code since its commit; "" for none."""
    changes = str(_receipt(result).get("changes") or "")[:8]
    return changes or ("unknown" if (result["commit"] or "").endswith("+") else "")


def _versions(result: Result) -> str:
    versions = result["versions"]
    return " ".join(f"{name}-{versions[name]}" for name in _CODE if name in versions)


_COMPARED: dict[str, Callable[[Result], str]] = {
    "versions": _versions,
    "commit": lambda result: (result["commit"] or "")[:12],
    "changes to the code": _changes,
    "updates": lambda result: str(result["steps"]),
}
