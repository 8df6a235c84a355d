"""Straight-through with the density of a noise law: clipped, ApproxSign, arctan, and others.

A binary neuron 1[logit + z > 0] with symmetric noise z fires with probability F(logit), where F is
the distribution function of the noise. The derivative of its mean activation is span * F'(logit),
and F' is the density of the noise: each estimator here multiplies by one such density.
Source of the rule: Shekhovtsov, Yanush, Reintroducing Straight-Through Estimators as Principled
Methods for Stochastic Binary Networks (2020), arXiv 2006.06880.
For neuron.noise=normal that is gaussian_st, for uniform clipped_st with slope 2, and for logistic,
the default, sigmoid_st.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from bnrun.core.fields import Slope, validated
from bnrun.estimators.straight_through import StraightThrough


@validated
class NoiseLawST(StraightThrough):
    """Straight-through whose multiplier is a density. A subclass writes `density`.

    forward:  the neuron's bits
    backward: multiplier span * s * density(s * logit), s = slope * neuron.slope; span is 1 for
              activations 0, 1 and 2 for -1, +1
    Exact: under noise of this law, on losses multilinear in the bits. For other noise, and for a
    DBN, which has none, it is an approximation.

    slope   of the smooth step, > 0: 1 / width of the noise
    """

    slope: Slope = 1.0

    @abstractmethod
    def density(self, scaled: Tensor) -> Tensor:
        """Density of the standard law at `scaled` = s * logit, [*S, R, B, U]; its integral is 1."""

    def multiplier(self, logits: Tensor, bits: Tensor) -> Tensor:
        slope = self.slope * self.neuron.slope
        return self.neuron.span * slope * self.density(slope * logits)


@validated
class ClippedST(NoiseLawST):
    """Clipped (hard tanh) straight-through: passes the gradient where abs(logit) <= 1 / slope.

    backward: multiplier span * s * 1[abs(x) <= 1] / 2, x = s * logit; at slope 1 that is
              1[abs(logit) <= 1] for -1, +1 activations, and half of it for 0, 1
    Noise law: uniform on [-1, 1]; at slope 2 that of neuron.noise=uniform, on [-1/2, 1/2].
    Exact: under uniform noise, on losses multilinear in the bits.

    Source: Courbariaux, Hubara, Soudry, El-Yaniv, Bengio, Binarized Neural Networks (2016),
    arXiv 1602.02830.
    """

    def density(self, scaled: Tensor) -> Tensor:
        return 0.5 * (scaled.abs() <= 1).to(scaled.dtype)


@validated
class ApproxSign(NoiseLawST):
    """ApproxSign: the derivative of a smooth step made of two parabolas.

    backward: multiplier span * s * max(0, 1 - abs(x)), x = s * logit; at slope 1 that is
              max(0, 2 - 2 abs(logit)) for -1, +1 activations, and half of it for 0, 1
    Noise law: triangular on [-1, 1], the mean of two uniforms on [-1, 1].
    Exact: under triangular noise, on losses multilinear in the bits.

    Source: Liu, Wu, Luo, Yang, Liu, Cheng, Bi-Real Net (2018), arXiv 1808.00278.
    """

    def density(self, scaled: Tensor) -> Tensor:
        return (1 - scaled.abs()).clamp(min=0)


@validated
class SwishSign(NoiseLawST):
    """SwishSign: the derivative of a step that overshoots before it settles.

    backward: multiplier span * s * q (1 - q) (2 - x (2 q - 1)), q = sigmoid(x), x = s * logit;
              written with hyperbolic functions, for -1, +1 activations:
              s (2 - x tanh(x / 2)) / (1 + cosh(x))
    Noise law: none. It integrates to 1 but is negative where abs(x) > 2.4, so it is not a density.
    Exact: never.

    Source: Darabi, Belbahri, Courbariaux, Nia, BNN+: Improved Binary Network Training (2018),
    arXiv 1812.11800, with slope 5.
    """

    slope: Slope = 5.0

    def density(self, scaled: Tensor) -> Tensor:
        # By the sigmoid, because cosh overflows.
        q = torch.sigmoid(scaled)
        # From 745 on q is exactly 0 or 1, also in float64; 0 times an infinite x would be NaN.
        return q * (1 - q) * (2 - scaled.clamp(-1e3, 1e3) * (2 * q - 1))


@validated
class ArctanST(NoiseLawST):
    """Arctan surrogate of spiking networks: 1/2 + arctan(pi x / 2) / pi as the smooth step.

    backward: multiplier span * s / (2 (1 + (pi x / 2)^2)), x = s * logit; slope 2 makes it 1 at
              logit 0 for activations 0, 1
    Noise law: Cauchy, of scale 2 / pi.
    Exact: under Cauchy noise, on losses multilinear in the bits.

    Source: Fang, Yu, Chen, Masquelier, Huang, Tian, Incorporating Learnable Membrane Time
    Constant (2020), arXiv 2007.05785, with slope 2.
    """

    slope: Slope = 2.0

    def density(self, scaled: Tensor) -> Tensor:
        return 0.5 / (1 + (math.pi / 2 * scaled) ** 2)


@validated
class FastSigmoidST(NoiseLawST):
    """Fast-sigmoid surrogate (SuperSpike): (1 + x / (1 + abs(x))) / 2 as the smooth step.

    backward: multiplier span * s / (2 (1 + abs(x))^2), x = s * logit; slope 2 makes it 1 at logit
              0 for activations 0, 1. Spiking libraries drop the factor slope / 2, so that the
              height is 1 at every slope
    Noise law: ratio of two independent unit exponentials, with a random sign. Its tails are those
    of a Cauchy law.
    Exact: under noise of that density, on losses multilinear in the bits.

    Source: Zenke, Ganguli, SuperSpike (2017), arXiv 1705.11146.
    """

    slope: Slope = 2.0

    def density(self, scaled: Tensor) -> Tensor:
        return 0.5 / (1 + scaled.abs()) ** 2


@validated
class GaussianST(NoiseLawST):
    """Gaussian straight-through: the normal distribution function (erf) as the smooth step.

    backward: multiplier span * s * exp(-x^2 / 2) / sqrt(2 pi), x = s * logit
    Noise law: normal, of standard deviation 1 / slope; at slope 1 that of neuron.noise=normal.
    Exact: under normal noise, on losses multilinear in the bits.

    Source: Shekhovtsov, Yanush (2020), arXiv 2006.06880.
    """

    def density(self, scaled: Tensor) -> Tensor:
        return torch.exp(-0.5 * scaled**2) / math.sqrt(2 * math.pi)
