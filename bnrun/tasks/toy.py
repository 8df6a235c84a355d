"""A toy problem with a known gradient: bits should be close to a number between 0 and 1."""

from typing import ClassVar

import torch
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Network, Pass
from bnrun.data.base import Data, Split
from bnrun.recording.result import Goal
from bnrun.tasks.base import ScoredTask


@validated
class Toy(ScoredTask):
    """The mean of (b - t)^2 over the bits b of the last binary layer.

    If t is below 1/2, the best bit is always 0, but only just: the closer t is to 1/2, the smaller
    the gradient, d E[loss] / d logit = p (1 - p) (1 - 2 t) / U, compared with its noise. An
    estimator that treats bits as real numbers converges to p = t instead.

    target  t

    Source: Tucker et al., REBAR (2017), arXiv 1703.07370; 200 bits: Titsias, Shi, Double Control
    Variates (2022), arXiv 2111.05300.
    """

    target: float = 0.499

    goal: ClassVar[Goal] = {"score": "expected_loss", "way": None, "larger_is_better": False}

    def outputs(self, data: Data) -> int:
        return 1

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        return (fired[-1].activations - self.target).square().mean(-1)

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        """Return loss, its expectation over the bits of an SBN, and the mean probability."""
        neuron, logits, _ = fired[-1]
        p = neuron.probability(logits)
        on, off = (
            (neuron.encode(bit) - self.target).square()
            for bit in (torch.ones_like(p), torch.zeros_like(p))
        )
        return {
            "loss": self.loss(model, batch, fired),
            "expected_loss": (p * on + (1 - p) * off).mean(-1),
            "probability": p.mean(-1),
        }

    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the logarithm of the loss, [K, R, B]."""
        return self.loss(model, batch, fired).log()

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        """Return the mean loss over the samples."""
        return {"loss": evidence.exp() / samples}
