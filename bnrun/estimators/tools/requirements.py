"""What an estimator needs of its neuron, besides being of a class that it accepts."""

from bnrun.core.laws import LOGISTIC
from bnrun.estimators.base import Estimator


def check_logistic(estimator: Estimator, part: str = "") -> None:
    """Raise ValueError unless the neuron's noise is logistic.

    part  what of the estimator needs that, e.g. " with gap=mean"
    """
    if estimator.neuron.law is not LOGISTIC:
        raise ValueError(
            f"estimator {type(estimator).__name__}{part} is derived for logistic noise: choose "
            f"neuron.noise=logistic, or an estimator for every noise, e.g. estimator=mve"
        )
