"""Contenders timed in turn, so that a machine whose speed drifts treats all of them alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

Clock = Callable[[], float]


@dataclass
class Contender:
    """Something that trains.

    name     as it stands in the table
    seeds    trained by one step, R
    advance  does that many steps
    """

    name: str
    seeds: int
    advance: Callable[[int], None]
    times: list[float] = field(default_factory=list)
    steps: int = 1

    def warm_up(self, seconds: float, clock: Clock) -> None:
        """Compile, fault in memory, and choose the steps that take about `seconds`."""
        self.advance(2)
        self.steps = 3
        # Twice, for the first few steps are slow ones.
        for _ in range(2):
            start = clock()
            self.advance(self.steps)
            self.steps = max(1, round(self.steps * seconds / (clock() - start)))

    def measure(self, clock: Clock) -> None:
        """One more time, in milliseconds per step and seed."""
        start = clock()
        self.advance(self.steps)
        self.times.append(1e3 * (clock() - start) / (self.steps * self.seeds))

    @property
    def milliseconds(self) -> float:
        """Median of the times."""
        return median(self.times)


def race(
    contenders: Sequence[Contender],
    repeats: int,
    seconds: float = 0.2,
    clock: Clock = perf_counter,
) -> None:
    """Time all in turn, `repeats` times, each for about `seconds`."""
    for contender in contenders:
        contender.warm_up(seconds, clock)
    for _ in range(repeats):
        for contender in contenders:
            contender.measure(clock)


def ratio(first: Contender, second: Contender) -> float:
    """Median over the repeats of first / second: neighbours in time are compared."""
    return median(a / b for a, b in zip(first.times, second.times, strict=True))
