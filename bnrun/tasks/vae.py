"""Variational autoencoders with latent bits: the evidence lower bound, and tighter bounds."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.network import Fired, Network, Pass
from bnrun.core.neurons import SBN, Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.models.vae import Autoencoder
from bnrun.recording.result import Goal
from bnrun.tasks.base import Observed, ScoredTask
from bnrun.tasks.tools.pixels import Binarization, binarized, check_pixels, log_likelihood
from bnrun.tasks.tools.ways import Scores


@validated
class Vae(ScoredTask):
    """Binary images x with latent bits b. Outputs are the logits of x given b, [*S, R, B, U].

    loss        log q(b | x) - log p(x, b), whose mean is the negative ELBO, in nats
    nll         upper bounds on -log p(x): "sampled" is the negative ELBO; "averaged" is the bound
                of K samples, -log mean_k p(x, b_k) / q(b_k | x), which falls to -log p(x) as K
                grows
    distortion  -log p(x | b), in every way but "averaged"
    rate        log q(b | x) - log p(b), whose mean is the Kullback-Leibler divergence; only
                "sampled"

    log q is that of the neuron, with its slope and noise. Its derivative with respect to the logits
    themselves has mean zero, E_q[d log q / d logits] = 0, and is left out, because it would only
    add noise to the gradient. So the logits get all of their gradient from the estimator, and an
    unbiased estimator has the exact gradient of the ELBO as its mean. With the soft bits of
    gumbel_sigmoid the mean of that derivative is not zero: such a net is trained without part of
    its own objective.

    With objective "iwae", training minimises the bound of K samples, -log mean_k exp(-loss_k),
    which needs an estimator made for it. It depends on the logits through log q too, so that this
    derivative is kept. The bound is also a score, "bound".

    binarization  of the images, see bnrun.tasks.tools.pixels
    shown         number of images in each of TensorBoard's pictures
    objective     what training minimises: "elbo", the mean loss, or "iwae", the bound of K samples
    samples       K of "iwae", at least 2

    Source: Kingma, Welling (2013), arXiv 1312.6114; bound of K samples: Burda, Grosse,
    Salakhutdinov, Importance Weighted Autoencoders (2015), arXiv 1509.00519; without the score of
    log q: Roeder, Wu, Duvenaud, Sticking the Landing (2017), arXiv 1703.09194.
    """

    goal: ClassVar[Goal] = {"score": "nll", "way": "averaged", "larger_is_better": False}

    binarization: Binarization = "dynamic"
    shown: PositiveInt = 36
    objective: Literal["elbo", "iwae"] = "elbo"
    samples: Annotated[int, Field(ge=2)] = 5

    @property
    def bound(self) -> int | None:
        return self.samples if self.objective == "iwae" else None

    def outputs(self, data: Data) -> int:
        """Return the number of pixels of an image."""
        return math.prod(data.shape)

    def begin(self, model: Network, data: Data, seeds: Sequence[int]) -> None:
        """Raises ValueError if the model is not an autoencoder, or a pixel is outside [0, 1]."""
        if not isinstance(model, Autoencoder):
            raise ValueError("task=vae needs an encoder and a decoder: choose model=vae")
        check_pixels(data, "vae")

    def drawn(self, batch: Split, noise: Noise) -> Split:
        return Split(binarized(batch.inputs, self.binarization, noise), batch.targets)

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        return -self.evidence(model, batch, fired)

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        distortion, rate = self._parts(model, batch, fired)
        return {"nll": distortion + rate, "distortion": distortion, "rate": rate}

    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return log p(x, b) - log q(b | x), [K, R, B]."""
        distortion, rate = self._parts(model, batch, fired)
        return -distortion - rate

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        return {"nll": math.log(samples) - evidence}

    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        scores = super().evaluate(model, neurons, split, noise, samples)
        # Only for sampled bits is log q their probability, and nll a bound.
        sampled = ("sampled", "averaged")
        kept = {name: [way for way in scores[name] if way in sampled] for name in ("nll", "rate")}
        scores |= {name: {way: scores[name][way] for way in ways} for name, ways in kept.items()}
        if self.bound is not None:
            trained = super().evaluate(model, neurons, split, noise, self.bound)
            scores["bound"] = {"averaged": trained["nll"]["averaged"]}
        return scores

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Return images of the first replica: data, their reconstructions, and samples."""
        assert isinstance(model, Autoencoder)
        inputs, targets = split.spread(self.shown)
        batch = self.drawn(
            Split(inputs.expand(len(noise.seeds), *inputs.shape), targets.unsqueeze(0)), noise
        )
        fired = model.passes(batch.inputs)(neurons, [n.sampled for n in neurons], noise)
        pictures = {
            "data": batch.inputs.flatten(2),
            "reconstructions": torch.sigmoid(model.outputs(batch.inputs, fired)),
            "samples": torch.sigmoid(sampled_logits(model, neurons, self.shown, noise)),
        }
        shape = inputs.shape[1:] if inputs.dim() == 4 else (1, 1, inputs.shape[-1])
        tiles = {
            name: 2 * pixels[0].unflatten(-1, shape).mean(1).cpu() - 1
            for name, pixels in pictures.items()
        }
        return Observed({}, {}, tiles)

    def _parts(self, model: Network, batch: Split, fired: Pass) -> tuple[Tensor, Tensor]:
        """Distortion and rate, each [*S, R, B]."""
        assert isinstance(model, Autoencoder)
        distortion = -log_likelihood(batch.inputs.flatten(2), model.outputs(batch.inputs, fired))
        rate = torch.zeros_like(distortion)
        for layer, logits in zip(fired, model.generative_logits(fired), strict=True):
            encoder = layer.logits.detach() if self.bound is None else layer.logits
            bits, inferred = bits_of(layer), layer.neuron.log_odds(encoder)
            rate = rate + log_likelihood(bits, inferred) - log_likelihood(bits, logits)
        return distortion, rate


def bits_of(layer: Fired) -> Tensor:
    """Return activations as bits 0 and 1, [*S, R, B, U]; those of a signed neuron are -1 and 1.

    Raises ValueError if the neuron is not stochastic, because its bits have no log-probability.
    """
    if not isinstance(layer.neuron, SBN):
        raise ValueError(
            f"task=vae needs the probability of the latent bits, but neuron "
            f"{type(layer.neuron).__name__} is not stochastic: choose neuron=sbn"
        )
    return (layer.activations + 1) / 2 if layer.neuron.signed else layer.activations


def sampled_logits(
    model: Autoencoder, neurons: Sequence[Neuron], count: int, noise: Noise
) -> Tensor:
    """Sample latent bits from the prior; return the logits of the pixels, [R, count, pixels]."""
    logits = model.prior.expand(-1, count, -1)
    # Slope and noise are the neuron's, in the encoder; the prior's units are logistic of slope 1.
    for neuron, net in zip(reversed(neurons), [*reversed(model.between), model.head], strict=True):
        bits = (noise.uniform(logits) < torch.sigmoid(logits)).to(logits)
        logits = net(neuron.encode(bits))
    return logits
