"""Estimators that learn fast, so that a few calls are enough."""

from collections.abc import Callable

from bnrun.core.neurons import SBN
from bnrun.estimators.bitflip import UGC
from bnrun.estimators.double_cv import DoubleCV
from bnrun.estimators.rebar import REBAR
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.relax import RELAX
from bnrun.estimators.rodeo import RODEO
from bnrun.estimators.tools.baselines import NVIL, MovingAverage, OptimalBaseline
from bnrun.estimators.tools.learner import Learner

NEURON = SBN(signed=True)
LEARNERS: dict[str, Callable[[], Learner]] = {
    "moving_average": lambda: Reinforce(NEURON, MovingAverage(decay=0.5)),
    "optimal": lambda: Reinforce(NEURON, OptimalBaseline(decay=0.5)),
    "nvil": lambda: Reinforce(NEURON, NVIL(hidden=5, lr=0.1)),
    "nvil, normalized": lambda: Reinforce(NEURON, NVIL(hidden=5, lr=0.1, normalize=True)),
    "rebar": lambda: REBAR(NEURON, decay=0.5),
    "relax": lambda: RELAX(NEURON, hidden=5, lr=0.1, decay=0.5),
    "double_cv": lambda: DoubleCV(NEURON, decay=0.5),
    "ugc": lambda: UGC(NEURON, decay=0.5),
    "rodeo": lambda: RODEO(NEURON, hidden=5, lr=0.1),
}
