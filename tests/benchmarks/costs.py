"""Cost of estimators against sigmoid_st, and of gradient draws at once against in turn."""

from collections.abc import Sequence

import torch
from ours import contender, training
from stopwatch import Contender
from workload import WIDTHS, mnist_sized

from bnrun.api import load_estimator
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.measurement.probe import Probe
from bnrun.models.mlp import MLP
from bnrun.tasks.classification import Classification

NAMES = ("sigmoid_st", "disarm", "rloo", "local_expectation")
DRAWS, EXAMPLES = 256, 50


def by_estimator(data: Data, seeds: int, units: int) -> list[tuple[Contender, int]]:
    """Each estimator's steps on a 784-units-10 net, and its downstream evaluations per step."""
    steps = []
    for name in NAMES:
        run = training(data, seeds, MLP(hidden=(units,)), load_estimator(name))
        count = probe(data, run.model, seeds).cost(run.estimators).evaluations
        steps.append((contender(name, run), count))
    return steps


def probe(data: Data, model, seeds: int) -> Probe:
    """The gradient instrument's probe, with its default number of examples."""
    split = Split(*(part[:EXAMPLES] for part in data.train))
    return Probe(model, Classification(), split, range(seeds), memory=256 * 2**20)


def draws(data: Data, seeds: int = 1, hidden: Sequence[int] = WIDTHS[1:-1]) -> list[Contender]:
    """256 gradient draws as one batch, and one after another; a step is all 256."""
    model = MLP(hidden=tuple(hidden)).build(data.shape, data.classes, range(seeds))
    estimators = [SigmoidST(neuron=SBN())] * len(model.stages)
    instrument = probe(data, model, seeds)

    def at_once(steps: int) -> None:
        for _ in range(steps):
            instrument.draw(estimators, DRAWS, Noise(range(seeds)))

    def in_turn(steps: int) -> None:
        for _ in range(steps):
            noise = Noise(range(seeds))
            torch.cat([instrument.draw(estimators, 1, noise)[0] for _ in range(DRAWS)])

    return [
        Contender(f"{DRAWS} draws at once", 1, at_once),
        Contender(f"{DRAWS} draws in turn", 1, in_turn),
    ]


def denormals() -> list[Contender]:
    """The 784-200-10 net by SGD, with a usual learning rate and one that saturates its units."""
    data = mnist_sized(10_000)
    contenders = []
    for rate in (0.5, 5.0):

        def sgd(parameters, rate=rate):
            return torch.optim.SGD(parameters, lr=rate)

        run = training(data, 1, estimator=SigmoidST(neuron=SBN()), optimizer=sgd)
        one = contender(f"SGD, lr={rate}", run)
        # By then the units are saturated.
        one.advance(1_000)
        contenders.append(one)
    return contenders
