"""Estimators as users write them, right and wrong, for bnrun-check."""

import bnrun
from bnrun.estimators.base import fire
from bnrun.estimators.tools.gradients import inject


class Half(bnrun.Estimator):
    """REINFORCE, times a factor that should be 1."""

    unbiased = True
    factor = 0.5

    def __call__(self, logits, downstream, noise):
        bits = fire(self.neuron, logits, noise)
        loss = downstream(self.neuron.encode(bits))
        centred = bits - self.neuron.probability(logits.detach())
        return inject(loss, logits, self.factor * loss.detach().unsqueeze(-1) * centred)


class Whole(Half):
    factor = 1.0


class Modest(Half):
    unbiased = False


class Humble(Whole):
    unbiased = False


@bnrun.validated
class Sized(Whole):
    size: int = 1

    def __call__(self, logits, downstream, noise):
        return self.size * super().__call__(logits, downstream, noise)


class Plain:
    """No subclass of anything."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def __call__(self, logits, downstream, noise):
        p = logits.sigmoid()
        bits = (noise.uniform(logits) < p).to(logits)
        return downstream(bits + p - p.detach()) + self.shift


def function(logits, downstream, noise):
    return Plain()(logits, downstream, noise)


class Crashes:
    def __call__(self, logits, downstream, noise):
        return downstream(self.missing)


class WrongShape:
    def __call__(self, logits, downstream, noise):
        return Plain()(logits, downstream, noise).sum()


class NotCallable:
    pass


class TwoArguments:
    def __call__(self, logits, downstream):
        return downstream(logits)


class Unfinished(bnrun.Estimator):
    pass


CONSTANT = 3
