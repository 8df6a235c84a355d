"""What every estimator promises, whatever its formula; a test class inherits it."""

import dataclasses

import pytest
import torch
from enumeration import CONFIGS, GivenNoise, gradient, load
from torch import Tensor

from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator

WEIGHTS = torch.tensor([0.5, -1.0, 2.0, 1.5])
LOGITS = torch.tensor([[0.3, -1.2, 0.0, 2.0], [0.0, 0.0, 1.0, -1.0]])
EXTREME = torch.tensor([[1e4, -1e4, 0.0, 90.0], [-90.0, 17.0, -17.0, 1e-30]])


def square(activations: Tensor) -> Tensor:
    """A loss that bits, both codings and soft bits tell apart, [*S, R, B]."""
    return (activations @ WEIGHTS.to(activations.dtype) - 0.7) ** 2


class Interface:
    """Subclasses are parametrised by `name` (a config) and `signed`."""

    @pytest.fixture
    def estimator(self, name: str, signed: bool) -> Estimator:
        return load(name, signed=signed)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_and_shape_of_the_loss_are_those_of_the_logits(self, estimator, dtype):
        logits = LOGITS.to(dtype).expand(5, 3, 2, 4)
        loss = estimator(logits, square, Noise([0, 1, 2]))
        assert loss.shape == (5, 3, 2)
        assert loss.dtype == dtype
        assert gradient(estimator, logits, square, Noise([0, 1, 2])).dtype == dtype

    def test_leading_axes_are_independent_evaluations(self, estimator):
        logits = torch.linspace(-2, 2, 6 * 3 * 8).double().view(2, 3, 3, 2, 4)
        whole = gradient(estimator, logits, square, GivenNoise(*[0.4] * 3))
        for sample in (0, 1):
            part = gradient(estimator, logits[sample], square, GivenNoise(*[0.4] * 3))
            torch.testing.assert_close(whole[sample], part, rtol=1e-12, atol=1e-14)

    def test_non_contiguous_logits_give_the_same_gradient(self, estimator):
        turned = LOGITS.double().t().contiguous().t().expand(1, 2, 4)
        assert not turned.is_contiguous()
        # Sums over another memory layout round in another order.
        torch.testing.assert_close(
            gradient(estimator, turned, square, Noise([0])),
            gradient(estimator, turned.contiguous(), square, Noise([0])),
            rtol=1e-12,
            atol=1e-15,
        )

    def test_a_seed_determines_the_gradient(self, estimator):
        logits = LOGITS.double().expand(100, 1, 2, 4)
        first = gradient(estimator, logits, square, Noise([3]))
        assert torch.equal(first, gradient(estimator, logits, square, Noise([3])))
        assert not torch.equal(first, gradient(estimator, logits, square, Noise([4])))

    def test_replicas_are_independent(self, estimator):
        logits = LOGITS.double().expand(2, 2, 4)
        both = gradient(estimator, logits, square, Noise([3, 7]))
        alone = gradient(estimator, logits[1:], square, Noise([7]))
        torch.testing.assert_close(both[1:], alone, rtol=1e-12, atol=1e-14)

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

    def test_config_selects_itself_and_says_the_defaults(self, name, signed):
        text = (CONFIGS / "estimator" / f"{name}.yaml").read_text()
        assert text.startswith(f"# estimator={name}: ")
        estimator = load(name, signed=signed)
        assert estimator == type(estimator)(neuron=estimator.neuron)
        for field in dataclasses.fields(estimator):
            assert f"\n{field.name}: " in text
