"""Variational autoencoders: layers of bits between an encoder and a decoder."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from bnrun.core.chain import Chain
from bnrun.core.fields import PositiveFloat, PositiveInt, validated
from bnrun.core.initial import Init
from bnrun.core.network import Pass
from bnrun.core.products import Linear
from bnrun.models.base import Model


class Autoencoder(Chain):
    """A chain whose stages are the encoder, q(b_1 | x) q(b_2 | b_1) ..., and its decoder.

    The decoder is p(x, b) = p(b_L) ... p(b_1 | b_2) p(x | b_1). Given the layer above, the bits of
    a layer are independent.

    downward    decoder nets, from the activations of a layer to the logits of the layer below; the
                first computes the pixels' logits, the last those of layer L - 1
    prior       logits of p(b_L), [R, 1, U_L]
    learned     whether the prior is a parameter
    pixels      number of pixels of an image
    """

    prior: Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        downward: Sequence[nn.Module],
        units: Sequence[int],
        prior: Tensor,
        learned: bool,
        pixels: int,
    ) -> None:
        head, *between = downward
        super().__init__(stages, head, units)
        self.between = nn.ModuleList(between)
        if learned:
            self.prior = nn.Parameter(prior)
        else:
            self.register_buffer("prior", prior)
        self.pixels = pixels

    @property
    def widest(self) -> int:
        return max(*self.units, self.pixels)

    def outputs(self, inputs: Tensor, fired: Pass) -> Tensor:
        """Return the logits of the pixels given the first layer, [*S, R, B, pixels]."""
        outputs: Tensor = self.head(fired[0].activations)
        return outputs

    def generative_logits(self, fired: Pass) -> list[Tensor]:
        """Return the logits of every layer in the decoder, [*S, R, B, U]; the last [R, 1, U]."""
        pairs = zip(self.between, fired[1:], strict=True)
        return [*(net(layer.activations) for net, layer in pairs), self.prior]


@validated
class VAE(Model):
    """Encoder and decoder of mirrored shape, e.g. 784-200-784 for one layer of bits.

    latent          units of each binary layer, from the image upwards
    hidden          units of the leaky ReLU layers before each binary layer of the encoder; the
                    decoder has them in reverse order. Empty for linear maps
    negative_slope  of the leaky ReLU below 0
    prior           "learned": the logits of the last layer's prior start at 0 and are trained;
                    "fixed": they stay 0
    init            initial weights, by name (see bnrun.core.initial.initial_weight); biases start
                    at 0

    Source: Kingma, Welling, Auto-Encoding Variational Bayes (2013), arXiv 1312.6114; with bits:
    Mnih, Gregor (2014), arXiv 1402.0030.
    """

    latent: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (200,)
    hidden: tuple[PositiveInt, ...] = ()
    negative_slope: PositiveFloat = 0.3
    prior: Literal["learned", "fixed"] = "learned"
    init: Init = "default"

    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Chain:
        """Build the net for images of `shape`.

        Raises ValueError unless the task wants one output per pixel.
        """
        pixels = prod(shape)
        if outputs != pixels:
            raise ValueError(
                f"model=vae has one output for each of {pixels} pixels, but the task wants "
                f"{outputs}: choose task=vae, or model=mlp"
            )
        layers = list(enumerate(pairwise((pixels, *self.latent)), start=1))
        up = [self._net((a, *self.hidden, b), seeds, f"encoder{k}_") for k, (a, b) in layers]
        down = [
            self._net((b, *reversed(self.hidden), a), seeds, f"decoder{k}_") for k, (a, b) in layers
        ]
        up[0].insert(0, nn.Flatten(start_dim=-len(shape)))
        prior = torch.zeros(len(seeds), 1, self.latent[-1])
        learned = self.prior == "learned"
        return Autoencoder(up, down, self.latent, prior, learned, pixels)

    def _net(self, units: Sequence[int], seeds: Sequence[int], name: str) -> nn.Sequential:
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(units), start=1):
            layers.append(Linear(before, after, seeds, f"{name}{number}", self.init))
            layers.append(nn.LeakyReLU(self.negative_slope))
        return nn.Sequential(*layers[:-1])
