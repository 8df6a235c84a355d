"""In which settings do runs differ? From their configs to the columns that tell them apart."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnrun.config.run_id import ADDED, IGNORED, NAMED
from bnrun.recording.tags import ScoreName
from bnrun.report.read.column import Column
from bnrun.report.read.runs import Run
from bnrun.report.read.scores import score_names

ABSENT = "–"

_HIDDEN = ("choices", "seeds", *(key for key in IGNORED if key != "name"))


@dataclass(frozen=True)
class RunTable:
    """Runs in the order of their settings, and the settings worth a column (one cell per run)."""

    runs: list[Run]
    settings: list[Column]

    @property
    def score_names(self) -> list[ScoreName]:
        """Every score that at least one run has."""
        return score_names(run.result for run in self.runs)


def tabulate(runs: Sequence[Run]) -> RunTable:
    """Sort runs by their settings, and choose the settings worth a column.

    These are the choices of the config groups (neuron, estimator, dataset and model first), the
    seeds, every key named on a command line, and every other key whose value differs, except
    where the choice of its group determines the value. Settings that are the same in all runs are
    included.
    """
    columns = [*_choice_columns(runs), *_key_columns(runs), _seeds_column(runs)]
    order = sorted(
        range(len(runs)), key=lambda number: [_sort_key(column.cells[number]) for column in columns]
    )
    return RunTable(
        [runs[number] for number in order],
        [Column(c.title, tuple(c.cells[number] for number in order)) for c in columns],
    )


def _choice_columns(runs: Sequence[Run]) -> list[Column]:
    choices = [_choices(run) for run in runs]
    groups = dict.fromkeys([*NAMED, *(group for chosen in choices for group in chosen)])
    return [_column(group, choices) for group in groups]


def _choices(run: Run) -> dict[str, str]:
    """Config group -> choice, without Hydra's own groups."""
    choices = run.result["config"]["choices"]
    return {group: str(choice) for group, choice in choices.items() if "/" not in group and choice}


def _key_columns(runs: Sequence[Run]) -> list[Column]:
    flat = [_completed(dict(_leaves(run.result["config"]))) for run in runs]
    choices = [_choices(run) for run in runs]
    overridden = frozenset().union(*(run.overridden for run in runs))
    columns: list[Column] = []
    keys = dict.fromkeys(key for config in flat for key in config)
    # Keys of few parts first, so that of a value and its copies the shortest key is kept.
    for column in (_column(key, flat) for key in sorted(keys, key=lambda key: key.count("."))):
        differs = not (column.constant or _is_determined(column, choices))
        if (differs or column.title in overridden) and not _is_copy(column, columns):
            columns.append(column)
    return columns


def _completed(leaves: Mapping[str, str]) -> dict[str, str]:
    """Settings by key, with those of an older run that were added since, also in copies."""
    completed = dict(leaves)
    for added, value in ADDED.items():
        parent, _, last = added.rpartition(".")
        nested = {key.rpartition(f".{parent}.")[0] for key in leaves if f".{parent}." in key}
        for place in [parent, *(f"{outer}.{parent}" for outer in nested)]:
            completed = dict(_leaves({last: value}, f"{place}.")) | completed
    return completed


def _column(title: str, values: Sequence[Mapping[str, str]]) -> Column:
    return Column(title, tuple(value.get(title, ABSENT) for value in values))


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        key = f"{prefix}{name}"
        if key in _HIDDEN:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _is_determined(column: Column, choices: Sequence[Mapping[str, str]]) -> bool:
    """Whether the choice of its group determines the value; a class, whether all choices do."""
    parts = column.title.split(".")
    causes: list[Hashable] = [
        tuple(chosen.items()) if parts[-1] == "_target_" else chosen.get(parts[0])
        for chosen in choices
    ]
    return len(set(zip(causes, column.cells, strict=True))) == len(set(causes))


def _is_copy(column: Column, columns: Sequence[Column]) -> bool:
    """Whether it repeats another column, as estimator.neuron.signed repeats neuron.signed."""
    return any(
        column.title.endswith(f".{other.title}") and column.cells == other.cells
        for other in columns
    )


def _seeds_column(runs: Sequence[Run]) -> Column:
    return Column("seeds", tuple(_seeds(run.result["seeds"]) for run in runs))


def _seeds(seeds: Sequence[int]) -> str:
    """Their number, followed by the seeds themselves unless they are 0 .. R - 1."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return f"{len(seeds)} ({', '.join(map(str, seeds))})"


def _sort_key(cell: str) -> tuple[int, float, str]:
    """Numbers first and by their value, then words."""
    try:
        return 0, float(cell), cell
    except ValueError:
        return 1, 0.0, cell
