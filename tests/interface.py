"""Checks of a call that the conformance kit does not make; a test class inherits them."""

import pytest
import torch
from enumeration import GivenNoise, gradient, load
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator

WEIGHTS = torch.tensor([0.5, -1.0, 2.0, 1.5])
LOGITS = torch.tensor([[0.3, -1.2, 0.0, 2.0], [0.0, 0.0, 1.0, -1.0]])
EXTREME = torch.tensor([[1e4, -1e4, 0.0, 90.0], [-90.0, 17.0, -17.0, 1e-30]])
POINTS = torch.tensor([-30, -2.5, -1, -0.6, -1e-3, 0, 1e-3, 0.5, 1, 1.7, 30]).double()


def square(activations: Tensor) -> Tensor:
    """A loss that differs between bits, signed bits and soft bits, [*S, R, B]."""
    return (activations @ WEIGHTS.to(activations.dtype) - 0.7) ** 2


class Interface:
    """Subclasses are parametrised by `name` (of a config) and `signed`."""

    @pytest.fixture
    def estimator(self, name: str, signed: bool) -> Estimator:
        return load(name, signed=signed)

    def test_leading_axes_are_independent_evaluations(self, estimator):
        logits = torch.linspace(-2, 2, 6 * 3 * 8).double().view(2, 3, 3, 2, 4)
        whole = gradient(estimator, logits, square, GivenNoise(*[0.4] * 3))
        for sample in (0, 1):
            part = gradient(estimator, logits[sample], square, GivenNoise(*[0.4] * 3))
            torch.testing.assert_close(whole[sample], part, rtol=1e-12, atol=1e-14)

    def test_another_seed_gives_another_gradient(self, estimator):
        logits = LOGITS.double().expand(100, 1, 2, 4)
        first = gradient(estimator, logits, square, Noise([3]))
        assert not torch.equal(first, gradient(estimator, logits, square, Noise([4])))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
    def test_gradients_are_finite_at_extreme_logits(self, estimator, dtype, uniform):
        logits = EXTREME.to(dtype).expand(1, 2, 4)
        estimate = gradient(estimator, logits, square, GivenNoise(*[uniform] * 3))
        assert estimate.isfinite().all()

    def test_weights_downstream_get_the_gradient_at_the_activations(self, estimator):
        weights = torch.ones(4, dtype=torch.float64, requires_grad=True)
        seen = []

        def downstream(activations: Tensor) -> Tensor:
            seen.append(activations.detach())
            return (activations @ weights) ** 2

        estimator(LOGITS.double().expand(1, 2, 4), downstream, Noise([0])).sum().backward()
        (activations,) = seen
        expected = (2 * (activations @ weights).unsqueeze(-1) * activations).sum((0, 1))
        assert torch.allclose(weights.grad, expected, rtol=1e-12)
