"""Autoencoding: inputs are reconstructed from a binary code."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from bnrun.core.fields import PositiveInt, validated
from bnrun.core.network import Fired, Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.recording.result import Goal
from bnrun.tasks.base import Observed, ScoredTask
from bnrun.tasks.tools.pixels import check_pixels, log_likelihood
from bnrun.tasks.tools.ways import Scores, chunks

_LEAST_ERROR = 1e-10
"""Mean squared error below which the signal-to-noise ratio stays at 100 dB."""


@validated
class Reconstruction(ScoredTask):
    """Inputs in [0, 1], here called pixels, and one output for each of them, [*S, R, B, pixels].

    error  "squared": outputs are the reconstructed pixels, and the loss is their mean squared
           error; "bernoulli": outputs are logits of the pixels, and the loss is the cross-entropy
           of an example in nats, the sum over its pixels
    shown  number of images in each of TensorBoard's pictures

    Scores, of reconstructions in [0, 1]; "averaged" is of the mean reconstruction:

    mse           mean squared error of a pixel
    psnr          10 log10(1 / mse) of an example, in decibels
    bits          cross-entropy per pixel, in bits; only for error="bernoulli"
    code_used     share of the code's bits that are 1 for some examples and 0 for others
    code_entropy  entropy of a bit of the code over the examples, in bits, mean over the bits: 1 if
                  every bit is 1 for half of the examples

    The code is the binary layer with the fewest units.
    """

    goal: ClassVar[Goal] = {"score": "mse", "way": None, "larger_is_better": False}

    error: Literal["squared", "bernoulli"] = "squared"
    shown: PositiveInt = 36

    def prepared(self, data: Data) -> Data:
        """Return the data unchanged. Raises DataError if an input is outside [0, 1]."""
        check_pixels(data, "autoencoder")
        return data

    def outputs(self, data: Data) -> int:
        """Return the number of pixels."""
        return math.prod(data.shape)

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the error of each example, [*S, R, B]."""
        pixels, outputs = batch.inputs.flatten(2), model.outputs(batch.inputs, fired)
        if self.error == "bernoulli":
            return -log_likelihood(pixels, outputs)
        return (outputs - pixels).square().mean(-1)

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        outputs, pixels = model.outputs(batch.inputs, fired), batch.inputs.flatten(2)
        scores = _error_scores(self._reconstructed(outputs), pixels)
        if self.error == "bernoulli":
            scores["bits"] = -log_likelihood(pixels, outputs) / (pixels.shape[-1] * math.log(2))
        return scores

    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the logarithm of the reconstruction, [K, R, B, pixels]."""
        outputs = model.outputs(batch.inputs, fired)
        return F.logsigmoid(outputs) if self.error == "bernoulli" else outputs.clamp(0, 1).log()

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        mean = (evidence.exp() / samples).clamp(0, 1)  # which rounding may exceed
        pixels = batch.inputs.flatten(2)
        scores = _error_scores(mean, pixels)
        if self.error == "bernoulli":
            nats = F.binary_cross_entropy(mean, pixels, reduction="none").mean(-1)
            scores["bits"] = nats / math.log(2)
        return scores

    @torch.no_grad()
    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        scores = super().evaluate(model, neurons, split, noise, samples)
        for way in ("thresholded", "sampled"):
            ones = []
            firings = [getattr(neuron, way) for neuron in neurons]
            for batch in chunks(model, split, len(noise.seeds), samples):
                fired = model.passes(batch.inputs)(neurons, firings, noise)
                ones.append((_code(fired).activations > 0).double().sum(1))
            for score, values in code_use(torch.stack(ones).sum(0) / len(split.targets)).items():
                scores.setdefault(score, {})[way] = values.cpu()
        return scores

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Return pictures of the first replica: data and their reconstructions."""
        inputs = split.spread(self.shown).inputs
        batch = inputs.expand(len(noise.seeds), *inputs.shape)
        fired = model.passes(batch)(neurons, [getattr(n, n.mode) for n in neurons], noise)
        again = self._reconstructed(model.outputs(batch, fired))[0].view(inputs.shape)
        shape = inputs.shape[1:] if inputs.dim() == 4 else (1, 1, inputs.shape[-1])
        tiles = {
            name: 2 * pixels.view(-1, *shape).mean(1).cpu() - 1
            for name, pixels in (("data", inputs), ("reconstructions", again))
        }
        return Observed({}, {}, tiles)

    def _reconstructed(self, outputs: Tensor) -> Tensor:
        """Pixels in [0, 1]."""
        return outputs.sigmoid() if self.error == "bernoulli" else outputs.clamp(0, 1)


def _error_scores(reconstructed: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    error = (reconstructed - pixels).square().mean(-1)
    return {"mse": error, "psnr": -10 * error.clamp(min=_LEAST_ERROR).log10()}


def _code(fired: Pass) -> Fired:
    """The binary layer with the fewest units."""
    return min(fired, key=lambda layer: layer.logits.shape[-1])


def code_use(ones: Tensor) -> dict[str, Tensor]:
    """How the bits of a code are used, for the share of ones of every bit, [R, U]; each [R]."""
    entropy = torch.special.entr(ones) + torch.special.entr(1 - ones)
    return {
        "code_used": ((ones > 0) & (ones < 1)).double().mean(-1),
        "code_entropy": entropy.mean(-1) / math.log(2),
    }
