"""What a running training shows: a bar in a terminal, lines elsewhere."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bnrun.recording.records import Record


def follow(records: Iterable[Record], total: int, title: str, console: Console) -> Iterator[Record]:
    """The records as they come, with progress shown on `console`, unless it is a quiet one."""
    if console.quiet:
        return iter(records)
    return (
        _bar(records, total, title, console)
        if console.is_terminal
        else _lines(records, title, console)
    )


def _bar(records: Iterable[Record], total: int, title: str, console: Console) -> Iterator[Record]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total, told="")
        told: dict[str, float] = {}
        for record in records:
            told |= headline(record)
            progress.update(task, completed=record.step, told=_words(told))
            yield record


def _lines(records: Iterable[Record], title: str, console: Console) -> Iterator[Record]:
    told: dict[str, float] = {}
    for record in records:
        told |= headline(record)
        if any(tag.startswith("accuracy") for tag in record.scalars):
            line = f"{title}: epoch {record.epoch:g}, step {record.step}, {_words(told)}"
            console.print(line, soft_wrap=True)
        yield record


def headline(record: Record) -> dict[str, float]:
    """The few numbers to watch, as means over the replicas that are finite."""
    found = {}
    for tag, values in record.scalars.items():
        if tag == "loss/train":
            found["loss"] = float(values.nanmean())
        elif tag.startswith("accuracy/validation/"):
            way = tag.rpartition("/")[2].replace("_", "-")
            found[f"{way} accuracy"] = float(values.nanmean())
    return {name: value for name, value in found.items() if "averaged" not in name}


def _words(told: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in told.items())
