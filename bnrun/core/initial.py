"""Initial weights: those of a replica depend on its seed and the layer's name only."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from bnrun.core.noise import stream

Init = Literal[
    "default",
    "kaiming_uniform",
    "kaiming_normal",
    "xavier_uniform",
    "xavier_normal",
    "orthogonal",
    "normal",
    "trunc_normal",
]


def initial_weight(shape: Sequence[int], seeds: Sequence[int], name: str, init: Init) -> Tensor:
    """Weights [R, *shape] in float64.

    shape  (out, in) or (out, in, height, width)
    init   a scheme of torch.nn.init by name, and "default": uniform on +-1/sqrt(fan in), as in
           torch's layers. "normal" has standard deviation .02; "trunc_normal" is the same
           truncated at two standard deviations
    """
    return torch.stack([_initial(shape, seed, name, init) for seed in seeds])


def _initial(shape: Sequence[int], seed: int, name: str, init: Init) -> Tensor:
    layer_seed = int(stream(seed, "weights", name).integers(2**62))
    generator = torch.Generator().manual_seed(layer_seed)
    return initialize(torch.empty(*shape, dtype=torch.float64), init, generator)


def initialize(weight: Tensor, init: Init, generator: torch.Generator | None = None) -> Tensor:
    """Fill a weight (out, in) or (out, in, height, width) and return it.

    generator  None draws from torch's default generator
    """
    if init == "default":
        return nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    if init == "normal":
        return nn.init.normal_(weight, std=0.02, generator=generator)
    if init == "trunc_normal":
        return nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04, generator=generator)
    scheme = getattr(nn.init, init + "_")
    filled: Tensor = scheme(weight, generator=generator)
    return filled
