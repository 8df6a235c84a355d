"""A convolution with the pooling and the norm that follow it."""

from torch import Tensor, nn

from bnrun.core.layers import LayerNorm
from bnrun.core.products import Conv2d, stacked
from bnrun.kernels.pooling import max_pool


class Convolution(nn.Module):
    """Images [*S, R, B, C, H, W] -> logits [*S, R, B, O, H', W'].

    pooled  whether the maximum over windows of 2 x 2 pixels follows; either way an odd last row or
            column is dropped
    norm    layer norm after that; None for no norm

    On a CPU one replica is computed after another: its images stay in the processor's cache from
    the product to the norm, and torch's convolutions are faster without groups.
    """

    def __init__(self, conv: Conv2d, pooled: bool, norm: LayerNorm | None) -> None:
        super().__init__()
        self.conv, self.pooled, self.norm = conv, pooled, norm

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and self.conv.product_dtype is None:
            replicas = [self._of_replica(r, images) for r, images in enumerate(x.unbind(-5))]
            return stacked(replicas, -5)
        y = self._sized(self.conv(x))
        return y if self.norm is None else self.norm(y)

    def _of_replica(self, replica: int, images: Tensor) -> Tensor:
        y = self._sized(self.conv.of_replica(replica, images))
        return y if self.norm is None else self.norm.of_replica(replica, y)

    def _sized(self, y: Tensor) -> Tensor:
        if self.pooled:
            return max_pool(y, 2)
        return y[..., : y.shape[-2] // 2 * 2, : y.shape[-1] // 2 * 2]
