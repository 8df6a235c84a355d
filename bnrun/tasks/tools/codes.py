"""Codes of bits as lookup-free and binary spherical quantizers have them: entropies, codebook.

A codeword has L bits, and the codebook is all 2^L of them. An example has N codewords, e.g. one for
each position of an image, and shares its codebook with the others.

Sources: LFQ: Yu et al., Language Model Beats Diffusion (2023), arXiv 2310.05737; BSQ: Zhao, Xiong,
Kraehenbuehl, Image and Video Tokenization with Binary Spherical Quantization (2024), arXiv
2406.07548.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def example_entropy(log_odds: Tensor) -> Tensor:
    """Entropy of a codeword given its example, in nats, mean over codewords, [*S, R, B].

    log_odds  of the bits, [*S, R, B, N, L]. Given the example the bits are independent, so the sum
              of their entropies is exact
    """
    size = log_odds.abs()
    return (F.softplus(-size) + size * torch.sigmoid(-size)).sum(-1).mean(-1)


def batch_entropy(log_odds: Tensor, subgroup: int) -> Tensor:
    """Entropy of the mean distribution of a codeword over examples and positions, [*S, R].

    The sum over subgroups of bits of their entropies, in nats: exact if a subgroup is a whole
    codeword; otherwise an upper bound, because it takes subgroups as independent.

    log_odds  of the bits, [*S, R, B, N, L]
    subgroup  bits of a subgroup, a divisor of L; 1 is factorised over all bits
    """
    groups = log_odds.flatten(-3, -2).unflatten(-1, (-1, subgroup)).transpose(-3, -2)
    ones, zeros = torch.sigmoid(groups), torch.sigmoid(-groups)  # [*S, R, groups, B N, subgroup]
    bits = torch.stack([zeros, ones], -1).unbind(-2)
    # The mean of the products over both halves of the bits is one matrix product.
    half = len(bits) // 2
    low, high = _joint(bits[:half], ones), _joint(bits[half:], ones)
    mean = (low.mT @ high) / ones.shape[-2]
    log = mean.clamp(min=torch.finfo(mean.dtype).tiny).log()
    return -(mean * log).sum((-1, -2, -3))


def _joint(bits: tuple[Tensor, ...], like: Tensor) -> Tensor:
    """Distribution of independent bits, each [..., 2] -> [..., 2^len(bits)]."""
    joint = like.new_ones(*like.shape[:-1], 1)
    for bit in bits:
        joint = (joint.unsqueeze(-1) * bit.unsqueeze(-2)).flatten(-2)
    return joint


def codewords(bits: Tensor, length: int) -> Tensor:
    """Numbers of the codewords, first bit lowest, [R, B, U] -> [R, B U / length]."""
    words = bits.unflatten(-1, (-1, length)).long()
    return (words << torch.arange(length, device=bits.device)).sum(-1).flatten(1)
