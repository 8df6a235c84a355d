"""Unbiased estimators whose mean over all their draws can be computed."""

from collections.abc import Callable

import torch
from all_estimators import build_of
from quadrature import Loss, estimates
from torch import Tensor

from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator
from bnrun.estimators.bitflip import UGC, BitFlip
from bnrun.estimators.double_cv import DoubleCV
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.rloo import RLOO
from bnrun.estimators.rodeo import RODEO

Build = Callable[[Neuron], Estimator]
# The uniforms that an estimator draws, and the quadrature nodes per piece: one if the estimate is
# constant or linear in the uniforms, more for smooth relaxations.
ENUMERABLE: dict[str, tuple[Build, str, int]] = {
    name: (build_of(name), "one", 1)
    for name in (
        "reinforce",
        "reinforce_moving_average",
        "reinforce_optimal",
        "reinforce_nvil",
        "local_expectation",
        "arm",
        "disarm",
        "muprop",
    )
} | {
    "rloo, K = 2": (lambda neuron: RLOO(neuron, samples=2), "pair", 1),
    "double_cv": (DoubleCV, "pair", 1),
    "rodeo": (lambda neuron: RODEO(neuron, hidden=8, lr=0.1), "pair", 1),
    "bitflip": (BitFlip, "flip", 1),
    "ugc": (UGC, "flip", 1),
    "rebar": (REBAR, "fresh", 15),
    "rebar, coupled": (lambda neuron: REBAR(neuron, coupled=True), "one", 15),
}
TWO_UNITS = torch.tensor([0.4, -1.3], dtype=torch.float64)


def experienced(estimator: Estimator, loss: Loss, logits: Tensor) -> Estimator:
    """The estimator after some calls, so that it is no longer in its initial state; frozen."""
    noise = Noise([5])
    for _ in range(10):
        estimates(estimator, loss, noise, 4, logits)
    return estimator.frozen()
