"""One random unit per example is flipped; alone, or where an antithetic pair says less."""

import torch
from torch import Tensor

from bnrun.core.fields import UnitInterval, validated
from bnrun.core.network import Downstream
from bnrun.core.noise import Noise
from bnrun.estimators.antithetic import antithetic_bits
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.tools.gradients import inject
from bnrun.estimators.tools.learner import Learner, Memory, replica_mean


def one_unit(like: Tensor, noise: Noise) -> Tensor:
    """1 for one unit of each example, drawn uniformly, and 0 for the others, [*S, R, B, U]."""
    units = like.shape[-1]
    chosen = (units * noise.uniform(like[..., :1])).long().clamp(max=units - 1)
    return (torch.arange(units, device=like.device) == chosen).to(like.dtype)


def flipped_difference(bits: Tensor, losses: Tensor, unit: Tensor, evaluate: Downstream) -> Tensor:
    """f(b_i = 1) - f(b_i = 0) for the chosen unit i, the other bits at the sample, [*S, R, B, 1].

    bits, unit  the sample, and 1 for the chosen unit, [*S, R, B, U]
    losses      f at the sample, [*S, R, B]
    evaluate    f as a function of bits
    """
    with torch.no_grad():
        flipped = evaluate((bits - unit).abs())
    sign = ((2 * bits - 1) * unit).sum(-1)
    return (sign * (losses.detach() - flipped)).unsqueeze(-1)


@validated
class BitFlip(Estimator):
    """Local expectation for one unit of each example, drawn at random, with weight U.

    forward:  the neuron's bits
    backward: U (d p / d logit) (f(b_i = 1) - f(b_i = 0)) for one unit i, drawn uniformly, the
              other bits at the sample; 0 for all other units
    Exact: always, in expectation. Its variance vanishes as a unit saturates, that of DisARM does
    not; away from there it grows with U.
    Cost: 2 downstream evaluations, one of them without gradient.

    Source: Kunes, Yin, Land, Haviv, Pe'er, Tavare, Gradient Estimation for Binary Latent Variables
    via Gradient Variance Clipping (2022), arXiv 2208.06124, as bitflip-1.
    """

    unbiased = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        losses = downstream(self.neuron.encode(bits))
        unit = one_unit(logits, noise)
        difference = flipped_difference(
            bits, losses, unit, lambda b: downstream(self.neuron.encode(b))
        )
        gradient = logits.shape[-1] * unit * self.neuron.derivative(logits) * difference
        return inject(losses, logits, gradient)


@validated
class UGC(Learner):
    """Unbiased gradient variance clipping: for each unit BitFlip or DisARM, the better of the two.

    forward:  an antithetic pair b, b~; the loss is their mean
    backward: BitFlip's, from b, where 2 U min(p, 1 - p) E[(f(b_i = 1) - f(b_i = 0))^2] is below
              E[(f(b) - f(b~))^2 | b_i differs from b~_i]; elsewhere DisARM's
    Exact: always, in expectation. The two mean squares are running averages of earlier calls, for
    each unit. With the true ones its variance is that of the better estimator, unit by unit.
    Cost: 3 downstream evaluations, one of them without gradient.

    The paper takes the two mean squares for equal, so that the threshold on min(p, 1 - p) is
    1 / (2 U); so does the first call here, or every call if `decay` is 1. Then the variance can
    exceed DisARM's: on (b_1 - 1/2)(2 b_2 - 1) at p_2 = 1/2 DisARM has none for the first unit.

    decay  weight of the old averages per call, in [0, 1]

    Source: Kunes, Yin, Land, Haviv, Pe'er, Tavare, Gradient Estimation for Binary Latent Variables
    via Gradient Variance Clipping (2022), arXiv 2208.06124.
    """

    unbiased = True

    decay: UnitInterval = 0.99

    def fresh(self, logits: Tensor, noise: Noise) -> Memory:
        shape = logits.shape[-3], 1, logits.shape[-1]
        names = ("pair", "differing", "flip", "flipped")
        return {name: logits.new_zeros(shape) for name in names}

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        p = self.neuron.probability(logits.detach())
        rarer, units = torch.minimum(p, 1 - p), logits.shape[-1]
        bits = antithetic_bits(p, noise.uniform(logits))
        losses = downstream(self.neuron.encode(bits))
        unit = one_unit(logits, noise)
        flip = flipped_difference(
            bits[0], losses[0], unit, lambda b: downstream(self.neuron.encode(b))
        )
        pair = (losses[0] - losses[1]).detach().unsqueeze(-1)
        memory = self.recall(logits, noise)
        bitflip = units * unit * self.neuron.derivative(logits) * flip
        disarm = pair / 2 * (bits[0] - bits[1]) * (1 - rarer) * self.neuron.score_slope(logits)
        pairs, flips = self.mean_squares(memory)
        gradient = torch.where(2 * units * rarer * flips < pairs, bitflip, disarm)
        if self.learns(memory):
            self.remember(memory, self.averages(memory, pair, bits[0] != bits[1], flip, unit))
        return inject(losses.mean(0), logits, gradient)

    def mean_squares(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Of DisARM's and of BitFlip's differences, [R, 1, U]; 1 and 1 while one is unknown."""
        known = (memory["differing"] > 0) & (memory["flipped"] > 0)
        pairs = memory["pair"] / memory["differing"].where(known, 1)
        flips = memory["flip"] / memory["flipped"].where(known, 1)
        return pairs.where(known, 1), flips.where(known, 1)

    def averages(
        self, memory: Memory, pair: Tensor, differing: Tensor, flip: Tensor, unit: Tensor
    ) -> Memory:
        """The running averages after this call."""
        sums = {
            "pair": differing * pair.square(),
            "differing": differing.to(pair),
            "flip": unit * flip.square(),
            "flipped": unit,
        }
        return {
            name: memory[name].lerp(replica_mean(value), 1 - self.decay)
            for name, value in sums.items()
        }
