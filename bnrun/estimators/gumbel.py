"""Relaxed bits with a temperature: Gumbel-sigmoid (soft), ST-Gumbel, Gumbel-Rao."""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import ActivationEstimator, Progress, fire
from bnrun.estimators.tools.gradients import with_derivative
from bnrun.estimators.tools.latents import conditional_latent, latent


@validated
class Relaxation(ActivationEstimator):
    """A bit 1[z > 0] relaxed to sigmoid(z / t), z = neuron.slope * logit + the neuron's noise.

    temperature   initial t, > 0; a small t is closer to the bit and has more variance
    decay         factor on t per epoch or step, in (0, 1]; 1 keeps t constant
    per           apply the decay every "epoch" or every "step"
    floor         smallest t; at most `temperature`

    Raises ValueError if the floor is above the temperature.
    """

    temperature: PositiveFloat = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    per: Literal["epoch", "step"] = "epoch"
    floor: PositiveFloat = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decay < 1 and self.floor > self.temperature:
            raise ValueError(
                f"floor={self.floor} is above temperature={self.temperature}: the temperature "
                f"decays from its initial value to the floor; choose a floor of at most "
                f"{self.temperature}"
            )

    def at(self, progress: Progress) -> Self:
        if self.decay == 1.0:
            return self
        passed = progress.epoch if self.per == "epoch" else progress.step
        return replace(self, temperature=max(self.temperature * self.decay**passed, self.floor))

    def scalars(self) -> dict[str, float]:
        return {"temperature": self.temperature}

    def slopes(self, latents: Tensor) -> Tensor:
        """d relaxed activation / d logit at the latents, [*S, R, B, U]."""
        soft = torch.sigmoid(latents / self.temperature)
        return self.neuron.span * self.neuron.slope / self.temperature * soft * (1 - soft)


@validated
class GumbelSigmoid(Relaxation):
    """Gumbel-sigmoid, or binary Concrete: a soft bit replaces the bit, and is differentiated.

    Binary Concrete for logistic noise; other noise is relaxed in the same way.

    forward:  sigmoid(z / t), between 0 and 1 (or -1 and +1); the loss is that of soft bits, while
              evaluation uses the neuron's bits
    backward: pathwise derivative: f'_i times span * neuron.slope * s (1 - s) / t,
              s = sigmoid(z / t)
    Noise law: the neuron's.
    Exact: in the limit t -> 0. There its variance grows without bound. At every t it is unbiased
    for the relaxed loss.
    Cost: one downstream evaluation and its backward pass.

    Source: Jang, Gu, Poole (2016), arXiv 1611.01144; Maddison, Mnih, Teh, The Concrete
    Distribution (2016), arXiv 1611.00712.
    """

    temperature: PositiveFloat = 0.5

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        latents = latent(self.neuron, logits, noise.uniform(logits))
        return self.neuron.encode(torch.sigmoid(latents / self.temperature))


@validated
class STGumbel(Relaxation):
    """Straight-through Gumbel-sigmoid: the bit forward, the soft bit's derivative backward.

    forward:  1[z > 0] with z = neuron.slope * logit + f * noise, f the forward temperature: the
              bits of a neuron with slope neuron.slope / f
    backward: multiplier span * neuron.slope * s (1 - s) / t, s = sigmoid(z / t) at the same z
    Noise law: the neuron's, times f.
    Exact: in the limit t -> 0, on losses multilinear in the bits. There its variance grows without
    bound.
    Cost: one downstream evaluation and its backward pass.

    forward_temperature   f > 0, the scale of the noise. Dividing z by a temperature would not
        change 1[z > 0]. Below 1 the firing is less random (towards the threshold of a DBN), above
        1 it explores more; 1 is the neuron as configured. It also applies to the neuron used in
        evaluation, while the temperature and its annealing only change the derivative.

    Source: Jang, Gu, Poole (2016), arXiv 1611.01144; two temperatures: Shah, Yan, Mozer, Liu,
    Improving Discrete Optimisation Via Decoupled Straight-Through Estimator (2024),
    arXiv 2410.13331.
    """

    forward_temperature: PositiveFloat = 1.0

    @cached_property
    def _firing(self) -> Neuron:
        # Made once: torch.compile cannot trace the checks of a new neuron's fields.
        return replace(self.neuron, slope=self.neuron.slope / self.forward_temperature)

    @property
    def firing_neuron(self) -> Neuron:
        return self._firing

    @property
    def evaluation_neuron(self) -> Neuron:
        return self.firing_neuron

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        neuron, uniform = self.firing_neuron, noise.uniform(logits)
        bits = (uniform < neuron.probability(logits.detach())).to(logits.dtype)
        latents = self.forward_temperature * latent(neuron, logits.detach(), uniform)
        return with_derivative(neuron.encode(bits), logits, self.slopes(latents))


@validated
class GumbelRao(Relaxation):
    """Gumbel-Rao: ST-Gumbel with its derivative averaged over noise that gives the same bit.

    forward:  the neuron's bits
    backward: mean over K draws z_k given b of span * neuron.slope * s_k (1 - s_k) / t,
              s_k = sigmoid(z_k / t)
    Noise law: the neuron's.
    Exact: in the limit t -> 0, on losses multilinear in the bits. Its mean is ST-Gumbel's; its
    mean squared error is lower for every K > 1 (K = 1 is ST-Gumbel in distribution).
    Cost: one downstream evaluation and its backward pass; K uniforms per unit, on an axis.

    draws   K, >= 1

    Source: Paulus, Maddison, Krause, Rao-Blackwellizing the Straight-Through Gumbel-Softmax
    Gradient Estimator (2020), arXiv 2010.04838.
    """

    draws: PositiveInt = 10

    def activate(self, logits: Tensor, noise: Noise) -> Tensor:
        bits = fire(self.neuron, logits, noise)
        uniform = noise.uniform(logits.expand(self.draws, *logits.shape))
        latents = conditional_latent(self.neuron, logits.detach(), bits, uniform)
        multiplier = self.slopes(latents).mean(0)
        return with_derivative(self.neuron.encode(bits), logits, multiplier)
