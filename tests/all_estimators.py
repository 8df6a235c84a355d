"""Every file of configs/estimator, for tests that hold for all estimators."""

import copy
from functools import cache

from hydra.errors import HydraException

from bnrun.config.paths import CONFIGS
from bnrun.conformance.measurement import Build
from bnrun.conformance.target import configured
from bnrun.core.neurons import DBN, SBN, Neuron, Real

NAMES = sorted(path.stem for path in (CONFIGS / "estimator").glob("*.yaml"))
NEURONS: list[type[Neuron]] = [SBN, DBN, Real]


@cache
def build_of(case: str) -> Build:
    """Builds the estimator of a case: its name, then fields, as in "rloo samples=2"."""
    name, *fields = case.split()
    once = cache(configured(name, fields))
    # Copies one that was never called, because Hydra takes 20 ms to build one.
    return lambda neuron: copy.deepcopy(once(neuron))


def accepts(name: str, neuron: Neuron) -> bool:
    try:
        build_of(name)(neuron)
    except HydraException as error:
        if "does not support neuron" in str(error):
            return False
        raise
    return True


PAIRINGS = [(name, neuron) for name in NAMES for neuron in NEURONS if accepts(name, neuron())]
REFUSED = [(n, neuron) for n in NAMES for neuron in NEURONS if (n, neuron) not in PAIRINGS]
SAMPLING = [name for name, neuron in PAIRINGS if neuron is SBN]
UNBIASED = [name for name in SAMPLING if build_of(name)(SBN()).unbiased]
BIASED = [name for name in SAMPLING if name not in UNBIASED]
UNBIASED_CLASSES = list({type(build_of(name)(SBN())): name for name in UNBIASED}.values())
"""One unbiased estimator for each class."""
