"""bnrun-report verify RUN: are the bits of a run still the same here?"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from bnrun.config.errors import MISTAKES, sentence
from bnrun.config.paths import import_from_here
from bnrun.recording.history import read_metrics
from bnrun.recording.result import RESULT, Result, read_result


@dataclass(frozen=True)
class Difference:
    """A value that is not the recorded one."""

    step: int
    tag: str
    seed: int
    recorded: float
    now: float


@dataclass(frozen=True)
class Check:
    """How many values were compared up to which step, and which were not the same."""

    steps: int
    number: int
    differences: list[Difference]


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 if all bits match, 1 if some do not, 2 if it could not be tried."""
    parser = argparse.ArgumentParser(
        prog="bnrun-report verify",
        description="Run the first steps of a finished run again, and say whether all that was "
        "recorded comes out the same, bit for bit.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument(
        "--steps", type=int, default=200, metavar="N", help="updates to do again (default: 200)"
    )
    options = parser.parse_args(arguments)
    console = Console()
    import_from_here()
    try:
        result = read_result(options.run / RESULT)
        check = verify(options.run, result, options.steps)
    except MISTAKES as error:
        print(f"bnrun-report: {options.run}: {sentence(error)}", file=sys.stderr)
        return 2
    console.print(Text(_told(check, result)), soft_wrap=True)
    return 1 if check.differences else 0


def verify(folder: Path, result: Result, steps: int) -> Check:
    """Do the first `steps` updates of a run again, writing nothing, and compare all values.

    Raises ValueError if there is no history, or nothing in it up to that step.
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
    found: dict[tuple[int, str, int], float] = {}
    with Progress(transient=True) as progress:
        task = progress.add_task("running again", total=last)
        for record in _training(result).run():
            if record.step > last:
                break
            progress.update(task, completed=record.step)
            for tag, values in record.scalars.items():
                for seed, value in zip(result["seeds"], values.tolist(), strict=True):
                    found[record.step, tag, seed] = value
    differences = [
        Difference(*key, value, found.get(key, float("nan")))
        for key, value in recorded.items()
        if not _same(value, found.get(key))
    ]
    return Check(last, len(recorded), differences)


def _training(result: Result) -> Any:
    import torch
    from omegaconf import OmegaConf

    from bnrun.config.settings import Settings
    from bnrun.run.build import build_training

    config = {key: value for key, value in result["config"].items() if key != "choices"}
    threads = _receipt(result).get("hardware", {}).get("threads")
    if threads:
        # The order in which threads add up is part of the bits.
        torch.set_num_threads(threads)
    created = OmegaConf.create(config)
    return build_training(created, Settings.model_validate(config))


def _same(recorded: float, now: float | None) -> bool:
    return now is not None and (recorded == now or (recorded != recorded and now != now))


def _told(check: Check, result: Result) -> str:
    about = f"{check.number} values of {len(result['seeds'])} seeds up to step {check.steps}"
    if not check.differences:
        return f"The bits match: {about} came out the same."
    first = min(check.differences, key=lambda difference: difference.step)
    return (
        f"The bits differ: {len(check.differences)} of {about}. The first: {first.tag} of seed "
        f"{first.seed} at step {first.step} was {first.recorded!r} and is {first.now!r}. "
        f"{_changed(result)}"
    )


def _changed(result: Result) -> str:
    """What is not as it was, of code, versions and hardware."""
    from bnrun.run.outcome import commit, versions
    from bnrun.run.receipt import own_code, receipt

    then, now = _receipt(result), receipt()
    old, new = (then.get("own_code", {}), own_code(result["config"]))
    pairs = [
        ("commit", result["commit"], commit()),
        *((name, text, versions().get(name)) for name, text in result["versions"].items()),
        ("changes to the code", then.get("changes"), now["changes"]),
        *((name, old.get(name), new.get(name)) for name in sorted(old | new)),
        *(
            (name, then.get("hardware", {}).get(name), value)
            for name, value in now["hardware"].items()
        ),
    ]
    told = [f"{name} ({was} then, {now_is} now)" for name, was, now_is in pairs if was != now_is]
    if not told:
        return "Nothing else is known to have changed."
    return f"What else has changed: {', '.join(told)}."


def _receipt(result: Result) -> dict[str, Any]:
    receipt: dict[str, Any] = dict(result).get("receipt") or {}  # type: ignore[assignment]  # an extra key
    return receipt
