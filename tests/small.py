"""Small trainings for tests: synthetic images, few steps."""

import copy
from collections.abc import Sequence

import torch

from bnrun.config.settings import TrainerSettings
from bnrun.core.neurons import SBN
from bnrun.core.noise import stream
from bnrun.data.base import Data, Split
from bnrun.estimators.base import Estimator
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.models.cnn import CNN
from bnrun.models.mlp import MLP
from bnrun.tasks.classification import Classification
from bnrun.training.device import move
from bnrun.training.loop import Training


def images(examples: int = 120, side: int = 8, classes: int = 3) -> Data:
    """Images with a brighter band of rows that depends on the class."""
    generator = stream(0, "images")
    targets = torch.from_numpy(generator.integers(classes, size=examples))
    inputs = torch.from_numpy(generator.random((examples, 1, side, side))) * 0.6
    for row in range(side):
        inputs[:, 0, row] += 0.4 * (targets == row * classes // side).unsqueeze(-1)
    inputs = inputs.to(torch.get_default_dtype())
    third = examples // 6
    parts = [slice(0, -2 * third), slice(-2 * third, -third), slice(-third, None)]
    splits = [Split(inputs[part], targets[part]) for part in parts]
    return Data("images", *splits, shape=(1, side, side), classes=classes)


def without_values(data: Data) -> Data:
    """The data on the meta device, as no check of their values would let them pass."""
    meta = copy.copy(data)
    for name, split in data.splits.items():
        object.__setattr__(meta, name, Split(*(part.to("meta") for part in split)))
    return meta


def settings(**changes: object) -> TrainerSettings:
    values: dict[str, object] = {
        "epochs": 5,
        "batch_size": 10,
        "log_every": 4,
        "evaluate_every": 1.0,
        "evaluate_examples": 10,
        "samples": 3,
        "schedule_per": "epoch",
    }
    return TrainerSettings.model_validate(values | changes)


def training(
    seeds: Sequence[int],
    model: MLP | CNN | None = None,
    estimator: Estimator | None = None,
    lr: float = 0.5,
    optimizer: type[torch.optim.Optimizer] = torch.optim.SGD,
    device: str = "cpu",
    **changes: object,
) -> Training:
    data = without_values(images()) if device == "meta" else move(images(), torch.device(device))
    spec = model or MLP(hidden=(6, 5))
    net = spec.build(data.shape, data.classes, seeds).to(device)
    estimator = estimator or SigmoidST(neuron=SBN())
    return Training(
        model=net,
        task=Classification(),
        estimators=[estimator] * net.depth,
        optimizer=optimizer(net.parameters(), lr=lr),  # type: ignore[call-arg]  # every optimizer has lr
        scheduler=None,
        data=data,
        seeds=seeds,
        settings=settings(**changes),
    )
