"""Laws of the noise in a binary neuron, which say how its probability depends on its logit.

A unit fires where a + z > 0, for a = slope * logit and noise z that is symmetric around 0 and has
the distribution function F. So it fires with probability p = F(a), and not with F(-a) = 1 - p.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import hardtanh, logsigmoid

NoiseLaw = Literal["logistic", "normal", "uniform"]


class Law(ABC):
    """A law that is symmetric around 0. Every argument and result is [*S, R, B, U]."""

    @abstractmethod
    def distribution(self, a: Tensor) -> Tensor:
        """F(a), accurate in the lower tail and differentiable."""

    @abstractmethod
    def density(self, a: Tensor) -> Tensor:
        """F'(a)."""

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """The inverse of F, for u in (0, 1)."""

    def score(self, a: Tensor) -> Tensor:
        """d log_odds / d a = F' / (p (1 - p)), which times b - p is d log P(b) / d a.

        It is 0 where the bit is certain, including where p underflows.
        """
        product = self.distribution(a) * self.distribution(-a)
        uncertain = product >= torch.finfo(a.dtype).tiny
        return torch.where(uncertain, self.density(a) / product.where(uncertain, 1), 0)

    def log_odds(self, a: Tensor) -> Tensor:
        """log p - log(1 - p), finite also where p is 0 or 1, and differentiable."""
        return _log(self.distribution(a)) - _log(self.distribution(-a))

    def truncated(self, a: Tensor, u: Tensor) -> Tensor:
        """A draw of a + z given that it is positive, from a uniform u on [0, 1).

        A share u of the truncated law is below it. Differentiable by `a` at fixed u.
        """
        limits = torch.finfo(a.dtype)
        level = ((1 - u) * self.distribution(a)).clamp(limits.tiny, 1 - limits.eps / 2)
        return (a - self.quantile(level)).clamp(min=0)

    def truncated_slope(self, a: Tensor, value: Tensor) -> Tensor:
        """d truncated / d a at fixed u, where truncated(a, u) = value."""
        hazard, shifted = self._hazard(a), self._hazard(a - value)
        # Where the bit is certain, `value` moves as `a` does.
        return 1 - torch.where(hazard > 0, hazard / shifted.where(hazard > 0, 1), 0)

    def _hazard(self, a: Tensor) -> Tensor:
        """F' / F = d log F / d a."""
        return self.density(a) / self.distribution(a).clamp(min=torch.finfo(a.dtype).tiny)


class Logistic(Law):
    """F is the sigmoid, and p (1 - p) its density; `a` itself is the log-odds."""

    def distribution(self, a: Tensor) -> Tensor:
        return torch.sigmoid(a)

    def density(self, a: Tensor) -> Tensor:
        p = torch.sigmoid(a)
        return p * (1 - p)

    def quantile(self, u: Tensor) -> Tensor:
        return torch.logit(u)

    def score(self, a: Tensor) -> Tensor:
        return torch.ones_like(a)

    def log_odds(self, a: Tensor) -> Tensor:
        return a

    def truncated(self, a: Tensor, u: Tensor) -> Tensor:
        # Without a division by the probability, which may be exactly 0.
        return -logsigmoid(logsigmoid(-a) - torch.logit(positive(u)))

    def truncated_slope(self, a: Tensor, value: Tensor) -> Tensor:
        return -torch.expm1(-value) * torch.sigmoid(a)


class Normal(Law):
    """The standard normal law: F is the probit function."""

    def distribution(self, a: Tensor) -> Tensor:
        # By erfc: torch.special.ndtr has an error of 4 % at -5 in float32, and is 0 from -6 on.
        return 0.5 * torch.erfc(-math.sqrt(0.5) * a)

    def density(self, a: Tensor) -> Tensor:
        return torch.exp(-0.5 * a**2) / math.sqrt(2 * math.pi)

    def quantile(self, u: Tensor) -> Tensor:
        return torch.special.ndtri(u)


class Uniform(Law):
    """The uniform law on [-1/2, 1/2]: F is a hard sigmoid, whose derivative is 1 or 0.

    At the edges, where p is exactly 0 or 1, the density is 0 as outside.
    """

    def distribution(self, a: Tensor) -> Tensor:
        return hardtanh(a + 0.5, 0.0, 1.0)

    def density(self, a: Tensor) -> Tensor:
        return (a.abs() < 0.5).to(a.dtype)

    def quantile(self, u: Tensor) -> Tensor:
        return u - 0.5

    def truncated_slope(self, a: Tensor, value: Tensor) -> Tensor:
        # The noise, a share of a + 1/2, may be rounded to an edge, where the density is 0.
        within = a.abs() < 0.5
        return torch.where(within, value / (a + 0.5).where(within, 1), 1)


def positive(uniform: Tensor) -> Tensor:
    """The uniform, with an exact 0 replaced: its quantile would be infinite."""
    return uniform.clamp(min=torch.finfo(uniform.dtype).tiny)


def _log(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(p.dtype).tiny).log()


LOGISTIC = Logistic()
LAWS: dict[NoiseLaw, Law] = {"logistic": LOGISTIC, "normal": Normal(), "uniform": Uniform()}
