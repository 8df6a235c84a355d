"""In what do runs differ? From their configs to the columns that tell them apart."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from bnrun.config.run_id import IGNORED, NAMED
from bnrun.report.read.layout import Column
from bnrun.report.read.runs import Run

ABSENT = "–"

_HIDDEN = ("choices", "seeds", *(key for key in IGNORED if key != "name"))


def compare(runs: Sequence[Run]) -> tuple[list[Run], list[Column]]:
    """The runs in order, and the settings worth a column, constant ones among them.

    These are the choices of the config groups (neuron, estimator, dataset and model first), the
    seeds, every key that a command line names, and every other key whose value differs, except
    where it is the choice of its group that brings the value with it.
    """
    columns = [*_choice_columns(runs), *_key_columns(runs), _seeds_column(runs)]
    order = sorted(
        range(len(runs)), key=lambda number: [_sort_key(column.cells[number]) for column in columns]
    )
    return [runs[number] for number in order], [
        Column(column.title, tuple(column.cells[number] for number in order)) for column in columns
    ]


def _choice_columns(runs: Sequence[Run]) -> list[Column]:
    choices = [_choices(run) for run in runs]
    groups = dict.fromkeys([*NAMED, *(group for chosen in choices for group in chosen)])
    return [_column(group, choices) for group in groups]


def _choices(run: Run) -> dict[str, str]:
    """Config group -> choice, without those of Hydra itself."""
    choices = run.result["config"]["choices"]
    return {group: str(choice) for group, choice in choices.items() if "/" not in group and choice}


def _key_columns(runs: Sequence[Run]) -> list[Column]:
    flat = [dict(_leaves(run.result["config"])) for run in runs]
    choices = [_choices(run) for run in runs]
    named = frozenset().union(*(run.overridden for run in runs))
    columns: list[Column] = []
    keys = dict.fromkeys(key for config in flat for key in config)
    for column in (_column(key, flat) for key in sorted(keys, key=lambda key: key.count("."))):
        telling = not (column.constant or _follows(column, choices))
        if (telling or column.title in named) and not _repeats(column, columns):
            columns.append(column)
    return columns


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


def _follows(column: Column, choices: Sequence[Mapping[str, str]]) -> bool:
    """Whether the choice of its group decides the value; of any group, if it names a class."""
    parts = column.title.split(".")
    causes: list[Hashable] = [
        tuple(chosen.items()) if parts[-1] == "_target_" else chosen.get(parts[0])
        for chosen in choices
    ]
    return len(set(zip(causes, column.cells, strict=True))) == len(set(causes))


def _repeats(column: Column, columns: Sequence[Column]) -> bool:
    """Whether it is a copy inside another group, as estimator.neuron.signed is of neuron.signed."""
    return any(
        column.title.endswith(f".{other.title}") and column.cells == other.cells
        for other in columns
    )


def _seeds_column(runs: Sequence[Run]) -> Column:
    return Column("seeds", tuple(_seeds(run.result["seeds"]) for run in runs))


def _seeds(seeds: Sequence[int]) -> str:
    """Their number, and which they are unless they are 0 .. R - 1."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return f"{len(seeds)} ({', '.join(map(str, seeds))})"


def _sort_key(cell: str) -> tuple[int, float, str]:
    try:
        return 0, float(cell), cell
    except ValueError:
        return 1, 0.0, cell
