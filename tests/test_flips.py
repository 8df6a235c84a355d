"""BitFlip and UGC: their variances, unit by unit, against DisARM's, by enumeration."""

import pytest
import torch
from quadrature import WEIGHTS, all_draws, estimates, exact, grid, wavy
from torch import Tensor

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.antithetic import DisARM, antithetic_bits
from bnrun.estimators.base import Estimator
from bnrun.estimators.bitflip import UGC, BitFlip

NEURON = SBN(slope=1.3)
UNITS = 3


def product(activations: Tensor, weights: Tensor) -> Tensor:
    return (weights + activations).prod(-1)


def opposed(activations: Tensor, weights: Tensor) -> Tensor:
    """(b_1 - 1/2)(2 b_2 - 1), plus a little of the third unit."""
    first, second, third = (activations + 0 * weights).unbind(-1)
    return (first - 0.5) * (2 * second - 1) + 0.1 * third


LOSSES = {"wavy": wavy, "product": product, "opposed": opposed}


def logits_of(seed: int) -> Tensor:
    return 3 * torch.randn(UNITS, generator=torch.Generator().manual_seed(seed)).double()


def variances(estimator: Estimator, loss, logits: Tensor, layout: str = "flip") -> Tensor:
    """Of each unit, [U], by enumeration of all draws."""
    drawn, weights = all_draws(estimator, loss, layout, 1, logits)
    return weights @ (drawn.logits - weights @ drawn.logits).square()


def informed(loss, logits: Tensor) -> UGC:
    """UGC that knows the mean squares of both differences exactly."""
    uniforms, weights = grid(NEURON.probability(logits), "flip", 1)
    bits = antithetic_bits(NEURON.probability(logits), uniforms[0])
    pair = (loss(bits[0], WEIGHTS) - loss(bits[1], WEIGHTS)).square()
    memory = {"differing": (bits[0] != bits[1]).double(), "flipped": torch.ones_like(bits[0])}
    memory["pair"] = memory["differing"] * pair.unsqueeze(-1)
    flips = [(bits[0] - one).abs() for one in torch.eye(UNITS).double()]
    memory["flip"] = torch.stack(
        [(loss(bits[0], WEIGHTS) - loss(flip, WEIGHTS)).square() for flip in flips], -1
    )
    estimator = UGC(NEURON)
    estimator.load_state_dict(
        {name: torch.tensordot(weights, value, 1) for name, value in memory.items()}
    )
    return estimator.frozen()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", LOSSES)
def test_ugc_has_the_least_variance_of_both_for_each_unit_if_it_knows_the_mean_squares(loss, seed):
    logits = logits_of(seed)
    both = [variances(kind(NEURON), LOSSES[loss], logits) for kind in (DisARM, BitFlip)]
    ours = variances(informed(LOSSES[loss], logits), LOSSES[loss], logits)
    torch.testing.assert_close(ours, torch.minimum(*both), rtol=1e-9, atol=1e-15)


def test_ugc_chooses_both_ways_in_these_tests():
    chosen = set()
    for seed in range(8):
        disarm, bitflip = (
            variances(kind(NEURON), wavy, logits_of(seed)) for kind in (DisARM, BitFlip)
        )
        chosen |= set((bitflip < disarm).tolist())
    assert chosen == {True, False}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES)
def test_ugc_learns_to_have_no_more_variance_than_both(loss, seed):
    logits, estimator, noise = logits_of(seed), UGC(NEURON, decay=0.9), Noise([0])
    for _ in range(30):
        estimates(estimator, LOSSES[loss], noise, 3000, logits)
    both = [variances(kind(NEURON), LOSSES[loss], logits) for kind in (DisARM, BitFlip)]
    ours = variances(estimator.frozen(), LOSSES[loss], logits)
    # A wrong choice is possible where both are nearly the same.
    assert (ours <= 1.05 * torch.minimum(*both) + 1e-15).all()


@pytest.mark.parametrize("units_from_the_edge", [0.9, 1.1])
def test_ugc_decides_at_first_by_the_probability_alone(units_from_the_edge):
    p = units_from_the_edge / (2 * UNITS)
    logits = torch.logit(torch.tensor([p, 1 - p, 0.5]).double()) / NEURON.slope
    bitflip = variances(BitFlip(NEURON), wavy, logits)
    disarm = variances(DisARM(NEURON), wavy, logits)
    ours = variances(UGC(NEURON).frozen(), wavy, logits)
    expected = bitflip if units_from_the_edge < 1 else disarm
    torch.testing.assert_close(ours[:2], expected[:2], rtol=1e-9, atol=0)
    torch.testing.assert_close(ours[2], disarm[2], rtol=1e-9, atol=0)


def test_probability_alone_may_choose_the_worse_one():
    """The published rule: DisARM has no variance here for the first unit, BitFlip has some."""
    logits = torch.tensor([-3.0, 0.0, 0.0]).double()

    def loss(activations: Tensor, weights: Tensor) -> Tensor:
        return opposed(activations, weights) - 0.1 * activations[..., 2]

    disarm = variances(DisARM(NEURON), loss, logits)
    published = variances(UGC(NEURON, decay=1).frozen(), loss, logits)
    assert disarm[0] < 1e-20
    assert published[0] > 1e-3
    assert variances(informed(loss, logits), loss, logits)[0] < 1e-20


def test_variance_of_bitflip_is_the_closed_form():
    logits = logits_of(1)
    p = NEURON.probability(logits)
    uniforms, weights = grid(p, "one", 1)
    bits = (uniforms[0] < p).double()
    flips = [(bits - one).abs() for one in torch.eye(UNITS).double()]
    squares = torch.stack([(wavy(bits, WEIGHTS) - wavy(f, WEIGHTS)).square() for f in flips], -1)
    second = UNITS * (NEURON.slope * p * (1 - p)).square() * torch.tensordot(weights, squares, 1)
    truth = exact(BitFlip(NEURON), wavy, logits).logits
    expected = second.view(-1) - truth.square()
    torch.testing.assert_close(
        variances(BitFlip(NEURON), wavy, logits), expected, rtol=1e-9, atol=1e-12
    )


def test_bitflip_has_less_variance_than_disarm_where_a_unit_saturates():
    logits = torch.tensor([-8.0, 0.3, -0.5]).double()
    disarm, bitflip = (variances(kind(NEURON), wavy, logits) for kind in (DisARM, BitFlip))
    assert bitflip[0] < 1e-3 * disarm[0]
    assert (bitflip > disarm)[1:].all()


def test_bitflip_of_one_unit_is_exact_in_every_draw():
    logits = torch.tensor([0.4]).double()
    drawn, _ = all_draws(BitFlip(NEURON), wavy, "flip", 1, logits)
    truth = exact(BitFlip(NEURON), wavy, logits).logits
    assert torch.allclose(drawn.logits, truth.expand_as(drawn.logits), rtol=1e-12)
