"""One estimator at the start of the training, another one later."""

from typing import Literal

from torch import Tensor

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.network import Downstream
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, Progress
from bnrun.estimators.tools.combination import Combination


@validated
class Schedule(Combination):
    """`first` up to some point of the training, then `second`.

    forward:  that of the part in use
    backward: that of the part in use; outside a training (before `at`) it is `first`
    Exact: where the part in use is. Unbiased if both are.
    Cost: that of the part in use.

    after  how many epochs or steps use `first`, at least 1; a schedule of the second estimator
           itself counts from the start of the training
    per    whether `after` counts in "epoch" or "step"

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
    def nested(self) -> bool:
        return self.first.nested

    @property
    def evaluation_neuron(self) -> Neuron:
        return self.first.evaluation_neuron
