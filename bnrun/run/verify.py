"""`bnrun-report verify RUN`: whether a run still comes out the same here, bit for bit."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from bnrun.config.errors import MISTAKES
from bnrun.config.paths import import_from_here
from bnrun.config.sentence import sentence
from bnrun.recording.history import read_metrics
from bnrun.recording.result import RESULT, Result, read_result


@dataclass(frozen=True)
class Difference:
    """A value that differs from the recorded one."""

    step: int
    tag: str
    seed: int
    recorded: float
    now: float


@dataclass(frozen=True)
class Verification:
    """The number of values compared up to a step, and those that differ."""

    steps: int
    number: int
    differences: list[Difference]


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 if all bits match, 1 if some differ, 2 if the run could not be rerun."""
    parser = argparse.ArgumentParser(
        prog="bnrun-report verify",
        description="Rerun the first steps of a finished run, and say whether every recorded value "
        "comes out the same, bit for bit.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--steps", type=int, default=200, metavar="N", help="updates to rerun (default: 200)"
    )
    options = parser.parse_args(arguments)
    import_from_here()
    try:
        result = read_result(options.run / RESULT)
        verification = verify(options.run, result, options.steps)
    except MISTAKES as error:
        print(f"bnrun-report: {options.run}: {sentence(error)}", file=sys.stderr)
        return 2
    Console().print(Text(_text(verification, result)), soft_wrap=True)
    return 1 if verification.differences else 0


def verify(folder: Path, result: Result, steps: int) -> Verification:
    """Rerun the first `steps` updates of a run without writing, and compare all values.

    Raises ValueError if the run has no history, or none up to that step.
    """
    recorded = {
        (step, tag, seed): value
        for step, seed, tag, value in read_metrics(folder)
        .select("step", "seed", "tag", "value")
        .iter_rows()
        if step <= steps
    }
    if not recorded:
        raise ValueError(f"{folder}: nothing recorded up to step {steps}, use a larger --steps")
    last = max(step for step, _, _ in recorded)
    rerun: dict[tuple[int, str, int], float] = {}
    with Progress(transient=True) as progress:
        task = progress.add_task("rerunning", total=last)
        for record in _training(result).run():
            if record.step > last:
                break
            progress.update(task, completed=record.step)
            for tag, values in record.scalars.items():
                for seed, value in zip(result["seeds"], values.tolist(), strict=True):
                    rerun[record.step, tag, seed] = value
    differences = [
        Difference(*key, value, rerun.get(key, float("nan")))
        for key, value in recorded.items()
        if not _is_same(value, rerun.get(key))
    ]
    return Verification(last, len(recorded), differences)


def _training(result: Result) -> Any:
    # Imported here, because --help need not wait a second for torch.
    import torch

    from bnrun.config.settings import Settings
    from bnrun.run.build import build_training

    threads = _receipt(result).get("hardware", {}).get("threads")
    if threads:
        # The order in which threads add numbers up affects the bits.
        torch.set_num_threads(threads)
    return build_training(result["config"], Settings.model_validate(result["config"]))


def _is_same(recorded: float, now: float | None) -> bool:
    return now is not None and (recorded == now or (recorded != recorded and now != now))


def _text(verification: Verification, result: Result) -> str:
    differences, seeds = verification.differences, len(result["seeds"])
    compared = f"{verification.number} values of {seeds} seeds up to step {verification.steps}"
    if not differences:
        return f"The bits match: {compared} came out the same."
    first = min(differences, key=lambda difference: difference.step)
    return (
        f"The bits differ: {len(differences)} of {compared}. The first: {first.tag} of seed "
        f"{first.seed} at step {first.step} was {first.recorded!r} and is {first.now!r}. "
        f"{_changes(result)}"
    )


def _changes(result: Result) -> str:
    """What has changed since, of code, versions and hardware."""
    from bnrun.run.outcome import commit, versions
    from bnrun.run.receipt import own_code, receipt

    then, now = _receipt(result), receipt()
    old_files, new_files = then.get("own_code", {}), own_code(result["config"])
    old_hardware = then.get("hardware", {})
    pairs = [
        ("commit", result["commit"], commit()),
        *((name, old, versions().get(name)) for name, old in result["versions"].items()),
        ("changes to the code", then.get("changes"), now["changes"]),
        *((n, old_files.get(n), new_files.get(n)) for n in sorted(old_files | new_files)),
        *((name, old_hardware.get(name), value) for name, value in now["hardware"].items()),
    ]
    changes = [f"{name} ({old} then, {new} now)" for name, old, new in pairs if old != new]
    if not changes:
        return "Nothing else is known to have changed."
    return f"What else has changed: {', '.join(changes)}."


def _receipt(result: Result) -> dict[str, Any]:
    receipt: dict[str, Any] = dict(result).get("receipt") or {}  # type: ignore[assignment]  # an extra key
    return receipt
