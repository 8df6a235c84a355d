"""Autoencoding: inputs are reconstructed from a binary code."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.network import Fired, Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.models.autoencoder import BinaryCode
from bnrun.recording.result import Goal
from bnrun.tasks.base import Observed, ScoredTask
from bnrun.tasks.tools.codes import batch_entropy, codewords, example_entropy
from bnrun.tasks.tools.pixels import check_pixels, log_likelihood
from bnrun.tasks.tools.ways import Scores, chunks

_LEAST_ERROR = 1e-10
"""Mean squared error below which the signal-to-noise ratio stays at 100 dB."""

_COUNTED = 16
"""Longest codewords, in bits, whose use is counted."""

Weight = Annotated[float, Field(ge=0, le=1e38)]
Subgroup = Annotated[int, Field(gt=0, le=16)]


@validated
class Reconstruction(ScoredTask):
    """Inputs in [0, 1], here called pixels, and one output for each of them, [*S, R, B, pixels].

    error  "squared": outputs are the reconstructed pixels, and the loss is their mean squared
           error; "absolute": the mean absolute error instead; "bernoulli": outputs are logits of
           the pixels, and the loss is the cross-entropy of an example in nats, the sum over its
           pixels
    shown  number of images in each of TensorBoard's pictures

    The terms of lookup-free (LFQ) and binary spherical (BSQ) quantizers, see
    bnrun.tasks.tools.codes, each with a weight, 0 for none:

    example_entropy  of a codeword given its example, in nats; minimised
    batch_entropy    of a codeword's mean distribution over the batch, in nats; maximised
    commitment       mean squared distance of the code's logits from the bits, -1 and 1, which
                     count as constants; for model.spherical=true from -1 and 1 over the root of
                     the number of bits
    temperature      of the probabilities in both entropies: the log-odds of the neuron over this.
                     1 is the neuron's own; near 0 all but logits close to 0 are certain
    subgroup         bits whose joint distribution is in batch_entropy, a divisor of a codeword's;
                     1 is factorised over bits

    They are functions of the logits, no estimator takes part in them: each is added with the value
    0 and its gradient. So the loss stays the error of the reconstruction, from which estimators
    learn; and although batch_entropy couples the examples of a batch, no example's loss depends on
    the bits of another, as estimators assume.

    Scores, of reconstructions in [0, 1]; "averaged" is of the mean reconstruction:

    mse           mean squared error of a pixel
    psnr          10 log10(1 / mse) of an example, in decibels
    mae           mean absolute error of a pixel; only for error="absolute"
    bits          cross-entropy per pixel, in bits; only for error="bernoulli"
    code_used     share of the code's bits that are 1 for some examples and 0 for others
    code_entropy  entropy of a bit of the code over the examples, in bits, mean over the bits: 1 if
                  every bit is 1 for half of the examples
    codebook_used share of all codewords that some example has; only for codewords of up to 16 bits

    The code is the binary layer with the fewest units. It is one codeword, except in
    model=autoencoder with kind="map", where every position has one.
    """

    goal: ClassVar[Goal] = {"score": "mse", "way": None, "larger_is_better": False}

    error: Literal["squared", "absolute", "bernoulli"] = "squared"
    shown: PositiveInt = 36
    example_entropy: Weight = 0.0
    batch_entropy: Weight = 0.0
    commitment: Weight = 0.0
    temperature: PositiveFloat = 1.0
    subgroup: Subgroup = 8

    def prepared(self, data: Data) -> Data:
        """Return the data unchanged. Raises DataError if an input is outside [0, 1]."""
        check_pixels(data, "autoencoder")
        return data

    def outputs(self, data: Data) -> int:
        """Return the number of pixels."""
        return math.prod(data.shape)

    def begin(self, model: Network, data: Data, seeds: Sequence[int]) -> None:
        """Raises ValueError if codewords cannot be divided into subgroups."""
        length = _codeword(model, min(model.units))
        if self.batch_entropy > 0 and length % self.subgroup:
            raise ValueError(
                f"task.subgroup={self.subgroup} must divide the bits of a codeword, which has "
                f"{length}: set task.subgroup=1 or another divisor"
            )

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return the error of each example, [*S, R, B]; its gradient is also that of the terms."""
        pixels, outputs = batch.inputs.flatten(2), model.outputs(batch.inputs, fired)
        if self.error == "bernoulli":
            error = -log_likelihood(pixels, outputs)
        elif self.error == "absolute":
            error = (outputs - pixels).abs().mean(-1)
        else:
            error = (outputs - pixels).square().mean(-1)
        if not (self.example_entropy or self.batch_entropy or self.commitment):
            return error
        terms = self.terms(model, fired)
        return error + (terms - terms.detach())

    def terms(self, model: Network, fired: Pass) -> Tensor:
        """Return the weighted sum of the entropies and the commitment, [*S, R, B].

        The entropy of a batch is the same for all of its examples.
        """
        neuron, logits, activations = _code(fired)
        length = _codeword(model, logits.shape[-1])
        log_odds = neuron.log_odds(logits).unflatten(-1, (-1, length)) / self.temperature
        total = torch.zeros_like(logits[..., 0])
        if self.example_entropy:
            total = total + self.example_entropy * example_entropy(log_odds)
        if self.batch_entropy:
            entropy = batch_entropy(log_odds, self.subgroup)
            total = total - self.batch_entropy * entropy.unsqueeze(-1)
        if self.commitment:
            signs = activations.detach() if neuron.signed else 2 * activations.detach() - 1
            radius = model.radius if isinstance(model, BinaryCode) else 1.0
            total = total + self.commitment * (logits - radius * signs).square().mean(-1)
        return total

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        outputs, pixels = model.outputs(batch.inputs, fired), batch.inputs.flatten(2)
        scores = self._error_scores(self._reconstructed(outputs), pixels)
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
        scores = self._error_scores(mean, pixels)
        if self.error == "bernoulli":
            nats = F.binary_cross_entropy(mean, pixels, reduction="none").mean(-1)
            scores["bits"] = nats / math.log(2)
        return scores

    @torch.no_grad()
    def evaluate(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise, samples: int
    ) -> Scores:
        scores = super().evaluate(model, neurons, split, noise, samples)
        length = _codeword(model, min(model.units))
        for way in ("thresholded", "sampled"):
            ones, used = [], None
            if length <= _COUNTED:
                used = torch.zeros(len(noise.seeds), 2**length, device=split.inputs.device)
            firings = [getattr(neuron, way) for neuron in neurons]
            for batch in chunks(model, split, len(noise.seeds), samples):
                fired = model.passes(batch.inputs)(neurons, firings, noise)
                bits = _code(fired).activations > 0
                ones.append(bits.double().sum(1))
                if used is not None:
                    used.scatter_(1, codewords(bits, length), 1)
            if used is not None:
                scores.setdefault("codebook_used", {})[way] = used.double().mean(1).cpu()
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

    def _error_scores(self, reconstructed: Tensor, pixels: Tensor) -> dict[str, Tensor]:
        error = (reconstructed - pixels).square().mean(-1)
        scores = {"mse": error, "psnr": -10 * error.clamp(min=_LEAST_ERROR).log10()}
        if self.error == "absolute":
            scores["mae"] = (reconstructed - pixels).abs().mean(-1)
        return scores

    def _reconstructed(self, outputs: Tensor) -> Tensor:
        """Pixels in [0, 1]."""
        return outputs.sigmoid() if self.error == "bernoulli" else outputs.clamp(0, 1)


def _code(fired: Pass) -> Fired:
    """The binary layer with the fewest units."""
    return min(fired, key=lambda layer: layer.logits.shape[-1])


def _codeword(model: Network, units: int) -> int:
    """Bits of a codeword of a code of `units` bits."""
    return model.codeword if isinstance(model, BinaryCode) else units


def code_use(ones: Tensor) -> dict[str, Tensor]:
    """How evenly a code uses its bits, [R] each, given how often every bit is 1, [R, U]."""
    entropy = torch.special.entr(ones) + torch.special.entr(1 - ones)
    return {
        "code_used": ((ones > 0) & (ones < 1)).double().mean(-1),
        "code_entropy": entropy.mean(-1) / math.log(2),
    }
