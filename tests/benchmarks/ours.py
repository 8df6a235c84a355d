"""bnrun: the trainer's own steps."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from stopwatch import Contender
from workload import BATCH, RATE, WIDTHS

from bnrun.config.settings import TrainerSettings
from bnrun.core.neurons import SBN
from bnrun.data.base import Data
from bnrun.estimators.base import Estimator
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.models.cnn import CNN
from bnrun.models.mlp import MLP
from bnrun.tasks.classification import Classification
from bnrun.training.loop import Training
from bnrun.training.memory import keep_freed_memory

ADAM = partial(torch.optim.Adam, lr=RATE, fused=True)

SETTINGS = TrainerSettings(
    epochs=1,
    batch_size=BATCH,
    log_every=100,
    evaluate_every=1.0,
    evaluate_examples=1000,
    samples=10,
    schedule_per="epoch",
)


def training(
    data: Data,
    seeds: int,
    model: MLP | CNN | None = None,
    estimator: Estimator | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] = ADAM,
    capture: bool = False,
    compiled: bool = False,
) -> Training:
    """By default 784-200-10 with SBN and sigmoid_st."""
    torch.set_flush_denormal(True)
    keep_freed_memory()
    net = (model or MLP(hidden=WIDTHS[1:-1])).build(data.shape, data.classes, range(seeds))
    net = net.to(data.train.inputs.device)
    return Training(
        model=net,
        task=Classification(),
        estimators=[estimator or SigmoidST(neuron=SBN())] * net.depth,
        optimizer=optimizer(net.parameters()),
        scheduler=None,
        data=data,
        seeds=range(seeds),
        settings=SETTINGS.model_copy(update={"capture": capture, "compile": compiled}),
    )


def contender(name: str, run: Training) -> Contender:
    """Steps as in training, between two logged ones."""

    def advance(steps: int) -> None:
        for _ in range(steps):
            run.update(run.current_estimators())

    return Contender(name, len(run.seeds), advance)


def mlp(widths: Sequence[int]) -> MLP:
    """The net with these widths, from inputs to classes."""
    return MLP(hidden=tuple(widths[1:-1]))
