"""Alternating timing, so that drift in the machine's speed affects all contenders alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

Clock = Callable[[], float]


@dataclass
class Contender:
    """Something that trains.

    name     in the table
    seeds    number trained by one step, R
    advance  runs the given number of steps
    """

    name: str
    seeds: int
    advance: Callable[[int], None]
    times: list[float] = field(default_factory=list)
    steps: int = 1

    def warm_up(self, seconds: float, clock: Clock) -> None:
        """Compile, fault in memory, and choose a number of steps that takes about `seconds`."""
        self.advance(2)
        self.steps = 3
        # Twice, because the first few steps are slow.
        for _ in range(2):
            start = clock()
            self.advance(self.steps)
            self.steps = max(1, round(self.steps * seconds / (clock() - start)))

    def measure(self, clock: Clock) -> None:
        """Add one time, in milliseconds per step and seed."""
        start = clock()
        self.advance(self.steps)
        self.times.append(1e3 * (clock() - start) / (self.steps * self.seeds))

    @property
    def milliseconds(self) -> float:
        """Median time per step and seed."""
        return median(self.times)


def race(
    contenders: Sequence[Contender],
    repeats: int,
    seconds: float = 0.2,
    clock: Clock = perf_counter,
) -> None:
    """Time all contenders alternately, `repeats` times, each for about `seconds`."""
    for contender in contenders:
        contender.warm_up(seconds, clock)
    for _ in range(repeats):
        for contender in contenders:
            contender.measure(clock)


def ratio(first: Contender, second: Contender) -> float:
    """Median of first / second over the repeats, so times measured close together are compared."""
    return median(a / b for a, b in zip(first.times, second.times, strict=True))


def spread(first: Contender, second: Contender) -> tuple[float, float]:
    """First and third quartile of first / second over the repeats."""
    low, _, high = quantiles(a / b for a, b in zip(first.times, second.times, strict=True))
    return low, high
