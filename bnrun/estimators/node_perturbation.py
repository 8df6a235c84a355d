"""Node perturbation: the loss of bits fired with noise on the logits, and with its mirror image."""

from typing import ClassVar

import torch
from torch import Tensor

from bnrun.core.fields import PositiveFloat, validated
from bnrun.core.network import Downstream
from bnrun.core.neurons import DBN, SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.tools.gradients import inject


@validated
class NodePerturbation(Estimator):
    """Antithetic normal noise on the logits; needs no derivative of the net.

    forward:  two samples with the noise s e and -s e on the logits, e normal; an SBN fires both
              with the same uniform. The loss is their mean
    backward: (f(b+) - f(b-)) e / (2 s)
    Exact: for the mean loss of the net with this noise, not for that without it. A DBN with the
    noise is a probit net: it fires with probability Phi(logit / s), a smooth function, and that
    has a gradient where the DBN itself has none.
    Cost: 2 downstream evaluations.

    std  s > 0: a small one is close to the net without noise, with more variance

    Source: Widrow, Lehr, 30 Years of Adaptive Neural Networks: Perceptron, Madaline, and
    Backpropagation (1990), as Madaline rule III; pairs, and the gradient of the smoothed function:
    Nesterov, Spokoiny, Random Gradient-Free Minimization of Convex Functions (2017).
    """

    accepts: ClassVar[tuple[type[Neuron], ...]] = (DBN, SBN)
    instead: ClassVar[str] = "choose neuron=dbn or neuron=sbn, or estimator=backprop"

    std: PositiveFloat = 1.0

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        e = noise.normal(logits)
        perturbed = logits.detach() + self.std * torch.stack([e, -e])
        if isinstance(self.neuron, SBN):
            uniforms = noise.uniform(logits)
            bits = (uniforms < self.neuron.probability(perturbed)).to(logits.dtype)
        else:
            bits = fire(self.neuron, perturbed, noise)
        losses = downstream(self.neuron.encode(bits))
        difference = (losses[0] - losses[1]).detach().unsqueeze(-1)
        return inject(losses.mean(0), logits, difference * e / (2 * self.std))
