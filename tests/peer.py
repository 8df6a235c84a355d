"""Gradient draws of storchastic's estimators on one problem; run as a separate program.

It is a program of its own because importing storchastic patches torch for the whole process.

Left out: its DisARM (mean near 0) and its REBAR (z = 11 in a coordinate), which in 0.3.7 disagree
with its own enumeration on this problem, and its RELAX, whose control variate differs from ours.
"""

import sys

import torch
from torch import Tensor

DRAWS = 20_000
LOGITS = torch.tensor([0.3, -1.2, 0.8, 2.0])
WEIGHT = torch.tensor([[1.0, -0.5], [0.7, 1.2], [-1.1, 0.4], [0.3, -0.9]])
TARGET = torch.tensor([0.5, -0.3])
TEMPERATURE = 0.5


def loss(bits: Tensor) -> Tensor:
    """Squares and products of the units, [*S, U] -> [*S]."""
    return (bits @ WEIGHT.to(bits.dtype) - TARGET.to(bits.dtype)).square().sum(-1)


def peer_draws() -> dict[str, Tensor]:
    """The draws of storchastic, by the names of our estimators, each [D, U]."""
    import storch
    from storch import method

    ours = {
        "exact": method.Expect("bits"),
        "reinforce": method.ScoreFunction("bits", n_samples=1),
        "rloo": method.ScoreFunction("bits", n_samples=4, baseline_factory="batch_average"),
        "arm": method.ARM("bits", n_samples=1),
        "gumbel_sigmoid": method.GumbelSoftmax("bits", initial_temperature=TEMPERATURE),
        "st_gumbel": method.GumbelSoftmax(
            "bits", initial_temperature=TEMPERATURE, straight_through=True
        ),
    }
    draws = {}
    torch.manual_seed(0)
    for name, estimator in ours.items():
        leaf = LOGITS.expand(DRAWS, -1).clone().requires_grad_()
        logits = storch.denote_independent(leaf, 0, "draw")
        sample = estimator(torch.distributions.Bernoulli(logits=logits))
        storch.add_cost(storch.deterministic(loss)(sample), "cost")
        storch.backward()
        storch.reset()
        draws[name] = DRAWS * leaf.grad  # its cost is the mean over draws
    return draws


if __name__ == "__main__":
    torch.save(peer_draws(), sys.argv[1])
