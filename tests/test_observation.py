"""Statistics of the units of a layer."""

import pytest
import torch

from bnrun.measurement.observation import bimodality

QUANTILES = torch.linspace(1e-6, 1 - 1e-6, 200_001, dtype=torch.float64)


@pytest.mark.parametrize(
    ("values", "coefficient"),
    [
        (torch.tensor([-1.0, 1.0] * 500), 1),
        # Two values, however often each occurs.
        (torch.tensor([0.0] * 900 + [1.0] * 100), 1),
        (QUANTILES, 5 / 9),
        (torch.distributions.Normal(3.0, 2.0).icdf(QUANTILES), 1 / 3),
        (torch.full((1000,), -0.0999), 0),
    ],
    ids=["even", "uneven", "uniform", "normal", "constant"],
)
def test_bimodality_of_known_distributions(values, coefficient):
    for dtype in (torch.float32, torch.float64):
        actual = bimodality(values.to(dtype).view(1, -1, 1))
        assert actual.item() == pytest.approx(coefficient, abs=1e-3)
