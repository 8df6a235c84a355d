"""Structured prediction: guess the lower half of an image from its upper half."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from bnrun.core.fields import validated
from bnrun.core.network import Network, Pass
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.recording.result import Goal
from bnrun.tasks.base import Observed, ScoredTask
from bnrun.tasks.tools.pixels import Binarization, binarized, check_pixels, log_likelihood


@validated
class StructuredPrediction(ScoredTask):
    """The lower half y of an image from the upper half x. Outputs are y's logits, [*S, R, B, U].

    loss  -log p(y | x, h), summed over the pixels, in nats, at sampled hidden bits h
    nll   the same as a score; "averaged" is -log mean_k p(y | x, h_k) over K samples, which falls
          to -log p(y | x) as K grows

    binarization  of the images, see bnrun.tasks.tools.pixels
    shown         number of examples in TensorBoard's picture; each is shown once as it is, and
                  shown - 1 times with a guessed lower half

    Source: Raiko et al., Techniques for Learning Binary Stochastic Feedforward Neural Networks
    (2014), arXiv 1406.2989; as in Jang, Gu, Poole (2016), arXiv 1611.01144.
    """

    goal: ClassVar[Goal] = {"score": "nll", "way": "averaged", "larger_is_better": False}

    binarization: Binarization = "threshold"
    shown: Annotated[int, Field(ge=2)] = 6

    def prepared(self, data: Data) -> Data:
        """Return upper halves as inputs, the pixels of lower halves [N, U] as targets; no classes.

        An odd row in the middle belongs to the lower half. Raises ValueError if the data are not
        images, or a pixel is outside [0, 1].
        """
        if len(data.shape) != 3 or data.shape[1] < 2:
            raise ValueError(
                f"task=structured_prediction cuts images in half, but dataset={data.name} has "
                f"inputs of shape {data.shape}: choose images, like dataset=mnist"
            )
        check_pixels(data, "structured_prediction")
        channels, height, width = data.shape
        half = height // 2

        def cut(split: Split) -> Split:
            upper, lower = split.inputs[:, :, :half], split.inputs[:, :, half:]
            return Split(upper.contiguous(), lower.flatten(1))

        return replace(
            data,
            train=cut(data.train),
            validation=cut(data.validation),
            test=cut(data.test),
            shape=(channels, half, width),
            classes=0,
        )

    def outputs(self, data: Data) -> int:
        """Return the number of pixels of the lower half."""
        return data.train.targets.shape[1]

    def drawn(self, batch: Split, noise: Noise) -> Split:
        targets = batch.targets.expand(*batch.inputs.shape[:2], -1)
        return Split(*(binarized(half, self.binarization, noise) for half in (batch[0], targets)))

    def loss(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        return -self.evidence(model, batch, fired)

    def scores(self, model: Network, batch: Split, fired: Pass) -> dict[str, Tensor]:
        return {"nll": self.loss(model, batch, fired)}

    def evidence(self, model: Network, batch: Split, fired: Pass) -> Tensor:
        """Return log p(y | x, h), [K, R, B]."""
        return log_likelihood(batch.targets, model.outputs(batch.inputs, fired))

    def averaged(self, evidence: Tensor, samples: int, batch: Split) -> dict[str, Tensor]:
        return {"nll": math.log(samples) - evidence}

    @torch.no_grad()
    def observed(
        self, model: Network, neurons: Sequence[Neuron], split: Split, noise: Noise
    ) -> Observed:
        """Return a picture with a row per example: the truth, then the first replica's guesses."""
        upper, lower = split.spread(self.shown)
        batch = self.drawn(
            Split(upper.expand(len(noise.seeds), *upper.shape), lower.unsqueeze(0)), noise
        )
        forward = model.passes(batch.inputs)
        fired = forward(neurons, [n.sampled for n in neurons], noise, self.shown - 1)
        guesses = torch.sigmoid(model.outputs(batch.inputs, fired))[:, 0]
        below = torch.cat([batch.targets[:1], guesses]).unflatten(
            -1, (upper.shape[1], -1, upper.shape[3])
        )
        above = batch.inputs[0].expand(self.shown, *upper.shape)
        whole = torch.cat([above, below], -2).mean(-3)  # [guess, example, H, W]
        return Observed({}, {}, {"guesses": 2 * whole.transpose(0, 1).flatten(0, 1).cpu() - 1})
