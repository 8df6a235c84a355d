"""`bnrun-report verify RUN`: whether a run still comes out the same here, bit for bit."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.progress import Progress

from bnrun.config.compose import composed, resolved
from bnrun.config.count import number_of
from bnrun.config.errors import MISTAKES
from bnrun.config.paths import import_from_here
from bnrun.config.plain import plain
from bnrun.config.sentence import sentence
from bnrun.recording.history import read_metrics
from bnrun.recording.result import RESULT, Result, read_result
from bnrun.run.identity import receipt_of
from bnrun.run.screen import screen


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
    """The number of values compared up to a step, those that differ, and what has changed since."""

    steps: int
    number: int
    differences: list[Difference]
    changes: list[str]


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
        if not (options.run / RESULT).exists():
            raise ValueError(f"not the folder of a finished run, because it has no {RESULT}")
        result = read_result(options.run / RESULT)
        verification = verify(options.run, result, options.steps)
    except MISTAKES as error:
        text, run = sentence(error), str(options.run)
        place = "" if text.startswith(run) else f"{run}: "
        print(f"bnrun-report: {place}{text}", file=sys.stderr)
        return 2
    screen().print(plain(_text(verification, len(result["seeds"]))), soft_wrap=True)
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
    training = _training(result)
    with Progress(transient=True) as progress:
        task = progress.add_task("rerunning", total=last)
        for record in training.run():
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
    changes = [*_config_changes(folder, result), *_changes(result, training.data.hashes)]
    return Verification(last, len(recorded), differences, changes)


def _training(result: Result) -> Any:
    # Imported here, because --help need not wait a second for torch.
    import torch

    from bnrun.config.settings import Settings
    from bnrun.run.build import build_training

    threads = receipt_of(result).get("hardware", {}).get("threads")
    if threads:
        # The order in which threads add numbers up affects the bits.
        torch.set_num_threads(threads)
    return build_training(result["config"], Settings.model_validate(result["config"]))


def _is_same(recorded: float, now: float | None) -> bool:
    return now is not None and (recorded == now or (recorded != recorded and now != now))


def _text(verification: Verification, seeds: int) -> str:
    differences, changes = verification.differences, ", ".join(verification.changes)
    compared = f"{number_of(verification.number, 'value')} of {number_of(seeds, 'seed')}"
    compared += f" up to step {verification.steps}"
    if not differences:
        also = f" What has changed since: {changes}." if changes else ""
        return f"The bits match: {compared} came out the same.{also}"
    first = min(differences, key=lambda difference: difference.step)
    why = f"What else has changed: {changes}." if changes else "Nothing else is known to differ."
    return (
        f"The bits differ: {len(differences)} of {compared}. The first: {first.tag} of seed "
        f"{first.seed} at step {first.step} was {first.recorded!r} and is {first.now!r}. {why}"
    )


def _config_changes(folder: Path, result: Result) -> list[str]:
    """Keys whose values in the configs of today differ from those of the run."""
    from bnrun.run.identity import config_changes

    try:
        words = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text())
        today = resolved(composed([str(word) for word in words], hydra_node=True))
    except (*MISTAKES, AttributeError):
        return []  # Its configs are not here, so nothing is known of them.
    return config_changes(result["config"], today)


def _changes(result: Result, data: Mapping[str, Any]) -> list[str]:
    """What has changed since, of data, config, code, versions and hardware."""
    from bnrun.run.identity import changes_of_code, code_of
    from bnrun.run.receipt import hardware

    names = sorted(result["data"].keys() | data.keys())
    old_hardware = receipt_of(result).get("hardware", {})
    return [
        *(f"the data {name}" for name in names if result["data"].get(name) != data.get(name)),
        *changes_of_code(code_of(result)),
        *(
            f"{name} ({old_hardware.get(name)} then, {value} now)"
            for name, value in hardware().items()
            if old_hardware.get(name) != value
        ),
    ]
