"""One estimator first, another one later."""

from typing import Literal

from torch import Tensor

from bnrun.core.chain import Downstream
from bnrun.core.fields import PositiveInt, validated
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, Progress
from bnrun.estimators.tools.combination import Combination


@validated
class Schedule(Combination):
    """`first` up to a point of the training, `second` from there on.

    forward:  that of the part in use
    backward: that of the part in use; outside a training (before `at`) it is `first`
    Exact: where the part in use is. Unbiased if both are.
    Cost: that of the part in use.

    after  epochs or steps that `first` serves, at least 1; the second estimator's own schedule
           counts from the start of the training
    per    whether `after` counts an "epoch" or a "step"

    Source: none needed, one estimator after another.
    """

    after: PositiveInt = 5
    per: Literal["epoch", "step"] = "epoch"

    def at(self, progress: Progress) -> Estimator:
        passed = progress.epoch if self.per == "epoch" else progress.step
        return (self.first if passed < self.after else self.second).at(progress)

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        return self.first(logits, downstream, noise)

    @property
    def evaluation_neuron(self) -> Neuron:
        return self.first.evaluation_neuron
