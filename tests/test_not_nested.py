"""Estimators that are not nested: one path through the layers, K samples beside it at each."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

import bnrun
from bnrun.core.chain import nest
from bnrun.core.fields import validated
from bnrun.core.network import Downstream, Pass
from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.estimators.antithetic import ARM, DisARM
from bnrun.estimators.arms import ARMS
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import Exact
from bnrun.estimators.mixture import Mixture
from bnrun.estimators.rloo import RLOO
from bnrun.estimators.schedule import Schedule


@validated
class Unsigned(SBN):
    """An SBN that draws its uniforms for the logits wherever it fires."""

    def fire(self, logits: Tensor, noise: Noise) -> Tensor:
        return self.sampled(logits, noise)


NEURON = Unsigned()
CELLS = 3


class Cells(Noise):
    """Example n of the batch draws the n-th combination of cells for all its uniforms.

    The bits 1[u < p] and 1[1 - u <= p] are constant for u between 0, min(p, 1 - p), its complement
    and 1. The uniforms are the middles of these cells, which is exact for estimates that are linear
    in them. What the uniforms are drawn for has to be the logits.

    weights  probability of each combination, once all are drawn
    """

    def __init__(self, examples: int) -> None:
        self.weights = torch.ones(examples, dtype=torch.float64)
        self._digits = torch.arange(examples)

    def uniform(self, like: Tensor) -> Tensor:
        rows = like.detach().movedim(-2, -1).flatten(0, -2)  # [one per number, examples]
        return (
            torch.stack([self._next(logits) for logits in rows])
            .view(*like.shape[:-2], like.shape[-1], like.shape[-2])
            .movedim(-1, -2)
        )

    def _next(self, logits: Tensor) -> Tensor:
        probability = logits.sigmoid()
        rarer = torch.minimum(probability, 1 - probability)
        edges = torch.stack([0 * rarer, rarer, 1 - rarer, 1 + 0 * rarer])
        cell = self._digits % CELLS
        self._digits = self._digits // CELLS
        low, high = (edges.gather(0, (cell + n)[None])[0] for n in (0, 1))
        self.weights *= high - low
        return (low + high) / 2

    @property
    def used_up(self) -> bool:
        return not self._digits.any()


def loss(fired: Pass) -> Tensor:
    """Depends on all layers, and on the logits of the first one directly."""
    first, last = fired[0], fired[-1]
    wavy = (2 * last.activations.sum(-1) + first.activations.sum(-1)).sin()
    return wavy + (first.activations * last.activations[..., :1]).mean(-1) * first.logits.sum(-1)


def net(units: Sequence[int]) -> list[Tensor]:
    """Weights of the stages; three inputs."""
    generator = torch.Generator().manual_seed(3)
    sizes = [3, *units]
    return [
        torch.randn(a, b, dtype=torch.float64, generator=generator).requires_grad_()
        for a, b in zip(sizes, units, strict=False)
    ]


def losses_of(
    weights: Sequence[Tensor], estimator: Estimator, noise: Noise, examples: int
) -> Tensor:
    def stage(weight: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda activations: activations @ weight

    inputs = torch.tensor([0.7, -0.4, 0.5], dtype=torch.float64).expand(1, examples, 3)
    return nest([stage(w) for w in weights], [estimator] * len(weights), loss, noise)(inputs)


@pytest.mark.parametrize(
    ("estimator", "units", "numbers"),
    # Uniforms of layer 1; of layer 2, on the path and beside it; of layer 3.
    [
        (DisARM(NEURON, nested=False), (2, 2), 2 + 2 + 2),
        (DisARM(NEURON, nested=False), (2, 1, 1), 2 + (1 + 1) + (1 + 1 + 1)),
        (ARM(NEURON, nested=False), (1, 1, 2), 1 + (1 + 1) + (2 + 2 + 2)),
        (RLOO(NEURON, samples=2, nested=False), (2, 1), 4 + 2 + 1),
        (RLOO(NEURON, samples=2, nested=False), (1, 1, 1), 2 + (2 + 1) + (2 + 1 + 1)),
    ],
    ids=str,
)
def test_mean_over_all_draws_is_the_exact_gradient_of_every_layer(
    estimator: Estimator, units: tuple[int, ...], numbers: int
) -> None:
    weights = net(units)
    examples = CELLS**numbers
    noise = Cells(examples)
    losses = losses_of(weights, estimator, noise, examples)
    assert noise.used_up
    assert noise.weights.sum().item() == pytest.approx(1, abs=1e-9)
    mean = (noise.weights * losses).sum()
    truth = losses_of(weights, Exact(NEURON), Noise([0]), 1).sum()
    assert mean.item() == pytest.approx(truth.item(), abs=1e-9)
    ours, exact = (torch.autograd.grad(total, weights) for total in (mean, truth))
    for layer, (gradient, expected) in enumerate(zip(ours, exact, strict=True)):
        assert torch.allclose(gradient, expected, rtol=1e-9, atol=1e-9), layer


@pytest.mark.parametrize("nested", [True, False])
def test_arms_is_unbiased_in_three_layers(nested: bool) -> None:
    draws = 100_000
    estimator = ARMS(NEURON, samples=3, nested=nested)
    weights = net((2, 2, 2))
    copies = [w.detach().expand(draws, *w.shape).clone().requires_grad_() for w in weights]

    def stage(weight: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda bits: torch.einsum("...du,duv->...dv", bits, weight)

    inputs = torch.tensor([0.7, -0.4, 0.5], dtype=torch.float64).expand(1, draws, 3)
    losses = nest([stage(w) for w in copies], [estimator] * 3, loss, Noise([4]))(inputs)
    drawn = torch.autograd.grad(losses.sum(), copies)
    truth = losses_of(weights, Exact(NEURON), Noise([0]), 1).sum()
    for ours, expected in zip(drawn, torch.autograd.grad(truth, weights), strict=True):
        error = ours.std(0) / draws**0.5
        assert ((ours.mean(0) - expected).abs() < 4 * error).all()
        if len(expected) == 3:  # the largest gradient; 5 % would show
            assert error.norm() < 0.05 / 4 * expected.norm()


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("samples", [2, 5])
def test_evaluations_are_linear_in_the_depth(depth: int, samples: int) -> None:
    counted = []

    def counting(fired: Pass) -> Tensor:
        losses = loss(fired)
        counted.append(losses.numel())
        return losses

    stages = [lambda bits: bits - 0.5] * depth
    for nested, expected in ((True, samples**depth), (False, depth * (samples - 1) + 1)):
        counted.clear()
        estimator = RLOO(NEURON, samples=samples, nested=nested)
        nest(stages, [estimator] * depth, counting, Noise([0]))(torch.zeros(1, 1, 2))
        assert sum(counted) == expected


def test_one_layer_is_the_same_to_the_bit() -> None:
    (weight,) = net((2,))
    estimates = []
    for nested in (True, False):
        losses = losses_of([weight], DisARM(NEURON, nested=nested), Noise([0]), 5)
        estimates.append((losses, *torch.autograd.grad(losses.sum(), weight)))
    assert all(torch.equal(a, b) for a, b in zip(*estimates, strict=True))


def test_an_infinite_loss_on_the_path_stays_there() -> None:
    seen = []

    class Watching(DisARM):
        def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
            def watched(activations: Tensor) -> Tensor:
                seen.append(downstream(activations))
                return seen[-1]

            return super().__call__(logits, watched, noise)

    def infinite(fired: Pass) -> Tensor:
        return fired[-1].activations.sum(-1) + (torch.inf if torch.is_grad_enabled() else 0)

    estimators = [Watching(NEURON, nested=False)] * 2
    stages = [lambda bits: bits] * 2
    nest(stages, estimators, infinite, Noise([0]))(torch.ones(1, 1, 2))
    first, second = seen[-1]
    assert first.isinf().all()
    assert second.isfinite().all()


def test_models_that_are_no_chain_and_mixtures_refuse_it() -> None:
    part = DisARM(NEURON, nested=False)
    with pytest.raises(ValueError, match=r"estimator\.second\.nested=false"):
        Mixture(neuron=NEURON, first=DisARM(NEURON), second=part)
    assert not Schedule(neuron=NEURON, first=part, second=DisARM(NEURON)).nested
    layer = bnrun.Binary("disarm", nested=False)
    with pytest.raises(ValueError, match="nested=False is for models that are a chain"):
        bnrun.estimate(layer, torch.zeros(2, 3), lambda bits: bits.sum(-1))
