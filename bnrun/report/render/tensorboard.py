"""Group runs: TensorBoard runs whose curves are means over many runs."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from bnrun.recording.escape import file_name
from bnrun.recording.history import read_metrics
from bnrun.recording.recorder import write_curves
from bnrun.recording.view import View
from bnrun.report.compare.group_means import grouped
from bnrun.report.read.runs import Run, find_runs
from bnrun.report.read.settings import tabulate

GROUPS = "groups"
"""The folder of a study that holds its group runs."""
NO_GROUPS = (
    "no group runs: no setting has runs of all contestants, or each group would be a single run; "
    "sweep.groups, and --by of bnrun-report --tensorboard, name other settings to group by"
)


def write_groups(
    study: Path, runs: Sequence[Path], by: Sequence[str] | None, damaged: list[str]
) -> list[Path]:
    """Write the group runs of some runs into the folder of their study, replacing older ones.

    runs     folders of runs, or folders above some
    by       settings in which the groups differ; None for what a report compares
    damaged  gets a sentence for each history that cannot be read; its run is left out

    Returns their folders; there are none if there is nothing to average. Raises ValueError if `by`
    names something that cannot compete, OSError if a folder cannot be written.
    """
    groups = study / GROUPS
    if groups.is_symlink():
        raise ValueError(f"{groups}: is a link, and group runs are not written through one")
    written = []
    taken: set[str] = set()
    found = find_runs(runs).runs
    histories = _histories(found, damaged)
    table = tabulate([run for run in found if run.folder in histories])
    for group in grouped(table, histories, by):
        folder = groups / file_name(group.name, taken)
        write_curves(folder, group.curves, group.text, View(group.goal))
        written.append(folder)
    _remove_others(groups, written)
    return written


def _histories(runs: Sequence[Run], damaged: list[str]) -> dict[Path, pl.DataFrame]:
    histories: dict[Path, pl.DataFrame] = {}
    for run in runs:
        try:
            histories[run.folder] = read_metrics(run.folder)
        except ValueError as error:
            damaged.append(str(error))
    return histories


def _remove_others(folder: Path, kept: Sequence[Path]) -> None:
    """Remove group runs of other settings, which nothing would update any more."""
    if not folder.is_dir():
        return
    for other in set(folder.iterdir()) - set(kept):
        if other.is_symlink() or not other.is_dir():
            continue
        for file in other.glob("events.out.tfevents.*.bnrun"):
            file.unlink()
        if not any(other.iterdir()):
            other.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
