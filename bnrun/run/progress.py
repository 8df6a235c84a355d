"""The progress of a training: a bar in a terminal, one line per evaluation elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rich.console import Console
from torch import Tensor

from bnrun.config.duration import duration
from bnrun.config.plain import plain
from bnrun.recording.records import Record
from bnrun.recording.result import Goal
from bnrun.recording.tags import TRAINING_LOSS, ScoreName
from bnrun.run.bar import Bar
from bnrun.run.context import RunContext


@dataclass
class Headline:
    """The numbers to watch: the training loss, and the task's goal on validation.

    way     the neuron's own way of evaluating, used if the goal names no way
    values  name -> its last value
    score   name of the goal's, e.g. "validation accuracy sampled"
    """

    goal: Goal
    way: str
    values: dict[str, float] = field(default_factory=dict)
    score: str = ""

    def update(self, scalars: Mapping[str, Tensor]) -> bool:
        """Take the new numbers, as means over the finite replicas; True if one is of the goal."""
        if TRAINING_LOSS in scalars:
            self.values["loss"] = float(scalars[TRAINING_LOSS].nanmean())
        name = self._goal_in(scalars)
        if name is None:
            return False
        self.score = f"validation {name.score} {name.way.replace('_', '-')}"
        self.values[self.score] = float(scalars[name.tag].nanmean())
        return True

    def __str__(self) -> str:
        return ", ".join(f"{plain(name)} {value:.3f}" for name, value in self.values.items())

    @property
    def short(self) -> str:
        """Without the words that the line above the bar has: "accuracy 0.912, loss 0.345"."""
        names = {self.score: plain(self.goal["score"]), "loss": "loss"}
        words = [
            f"{short} {self.values[name]:.4g}"
            for name, short in names.items()
            if name in self.values
        ]
        return ", ".join(words)

    def _goal_in(self, scalars: Mapping[str, Tensor]) -> ScoreName | None:
        """The goal in its way; if that was not evaluated, in the first way that was."""
        names = [name for name in map(ScoreName.parse, scalars) if name is not None]
        ways = {
            name.way: name
            for name in names
            if name.split == "validation" and name.score == self.goal["score"]
        }
        return ways.get(self.goal["way"] or self.way, next(iter(ways.values()), None))


def follow(
    records: Iterable[Record], total: int, context: RunContext, headline: Headline, bar: Bar
) -> Iterator[Record]:
    """The records as they come, showing progress on the screen unless it is quiet.

    total  number of steps
    bar    for a terminal
    """
    console = context.log.console
    if console.quiet:
        return iter(records)
    title = plain(context.title)
    if console.is_terminal:
        return _with_bar(records, total, title, console, headline, bar)
    return _with_lines(records, total, title, console, headline)


def _with_bar(
    records: Iterable[Record],
    total: int,
    title: str,
    console: Console,
    headline: Headline,
    bar: Bar,
) -> Iterator[Record]:
    bar.begin(total)
    for number, record in enumerate(records):
        headline.update(record.scalars)
        if number == 0:
            console.print(f"{title}: {headline.score or 'training'}", soft_wrap=True)
        bar.update(record.step, headline.short)
        yield record


def _with_lines(
    records: Iterable[Record], total: int, title: str, console: Console, headline: Headline
) -> Iterator[Record]:
    first: Record | None = None
    for record in records:
        first = first or record
        if headline.update(record.scalars):
            line = f"{title}: epoch {record.epoch:g}, step {record.step}, {headline}"
            if first.step < record.step < total:
                per_step = (record.seconds - first.seconds) / (record.step - first.step)
                line += f", about {duration(per_step * (total - record.step))} left"
            console.print(line, soft_wrap=True)
        yield record
