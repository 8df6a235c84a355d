"""model=autoencoder with kind=map, written out in plain torch."""

import pytest
import torch
import torch.nn.functional as F

from bnrun.core.neurons import SBN
from bnrun.core.noise import Noise
from bnrun.core.products import Conv2d
from bnrun.models.autoencoder import BinaryAutoencoder

SHAPE = (2, 7, 6)


@pytest.mark.parametrize(("width", "groups"), [(4, 4), (3, 2)])
def test_encoder_and_decoder_equal_plain_torch(width, groups, double):
    net = BinaryAutoencoder(code=3, width=width, kind="map").build(SHAPE, 2 * 7 * 6, [0, 1])
    up1, up2, code, decode, down1, down2 = (m for m in net.modules() if isinstance(m, Conv2d))
    for conv in (up1, up2, code, decode, down1, down2):
        torch.nn.init.normal_(conv.bias)
    images = torch.rand(2, 5, *SHAPE)
    (fired,) = pass_ = net.passes(images)([SBN()], [SBN().sampled], Noise([0, 1]))
    for replica in (0, 1):

        def conv(layer, x, replica=replica, padding=1):
            return F.conv2d(x, layer.weight[replica], layer.bias[replica], padding=padding)

        x = F.gelu(F.max_pool2d(conv(up1, images[replica]), 2, ceil_mode=True))
        x = F.group_norm(F.max_pool2d(conv(up2, x), 2, ceil_mode=True), groups)
        logits = conv(code, x, padding=0)  # [B, code, 2, 2]
        by_position = logits.permute(0, 2, 3, 1).flatten(1)
        torch.testing.assert_close(fired.logits[replica], by_position, rtol=1e-10, atol=1e-12)
        bits = fired.activations[replica].view(5, 2, 2, 3).permute(0, 3, 1, 2)
        y = conv(decode, bits)
        y = F.gelu(conv(down1, y.repeat_interleave(2, -1).repeat_interleave(2, -2)))
        y = conv(down2, y.repeat_interleave(2, -1).repeat_interleave(2, -2))[..., :7, :6]
        outputs = net.outputs(images, pass_)[replica]
        torch.testing.assert_close(outputs, y.flatten(1), rtol=1e-10, atol=1e-12)
