"""A residual net as other people write it becomes binary by one function, and trains.

The structure is that of the CIFAR nets of He et al., Deep Residual Learning (2015), arXiv
1512.03385, section 4.2, in the form in which it is usually published: one ReLU module per block,
which is used twice, changes its input in place, and comes after the addition of the skip.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bnrun


class Block(nn.Module):
    """Two convolutions; a third one on the skip where the size changes."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != planes:
            shortcut = nn.Conv2d(inputs, planes, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += identity
        return self.relu(y)


class ResNet20(nn.Module):
    """A stem, three stages of three blocks, and a linear layer; the published width is 16."""

    def __init__(self, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._stage(width, width, 1)
        self.layer2 = self._stage(width, 2 * width, 2)
        self.layer3 = self._stage(2 * width, 4 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, classes)

    @staticmethod
    def _stage(inputs: int, planes: int, stride: int) -> nn.Sequential:
        first = Block(inputs, planes, stride)
        return nn.Sequential(first, Block(planes, planes, 1), Block(planes, planes, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


def binarize(module: nn.Module, estimator: str) -> nn.Module:
    """Put a binary layer in place of every ReLU."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, bnrun.Binary(estimator))
        else:
            binarize(child, estimator)
    return module


STEPS = 100


def examples(count: int = 32) -> tuple[Tensor, Tensor]:
    """Small noisy images of two classes."""
    labels = torch.arange(count) % 2
    return 0.6 * torch.rand(2, 3, 8, 8)[labels] + 0.4 * torch.rand(count, 3, 8, 8), labels


def sites_of(net: nn.Module) -> list[bnrun.Binary]:
    return [module for module in net.modules() if isinstance(module, bnrun.Binary)]


def trained(net: nn.Module, loss_of_batch) -> tuple[list[float], list[float]]:
    """Loss, and gradient norm of the first convolution, of every step."""
    images, labels = examples()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    losses, norms = [], []
    for _ in range(STEPS):
        loss = loss_of_batch(net, images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        norms.append(net.conv1.weight.grad.norm().item())
    return losses, norms


def plain(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(net(images), labels)


def estimated(net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, reduction="none")

    return bnrun.estimate(net, images, loss, labels).mean()


def test_the_net_has_the_layers_of_the_paper():
    net = ResNet20()
    weights = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(weights) + 1 == 20
    assert 0.26e6 < sum(p.numel() for p in net.parameters()) < 0.28e6  # published: .27 million
    assert len(sites_of(binarize(net, "st"))) == 10
    assert not [module for module in net.modules() if isinstance(module, nn.ReLU)]


def assert_learned(losses: list[float], norms: list[float]) -> None:
    """The loss starts at log 2 = .69, and the first layer always gets a finite gradient."""
    assert sum(losses[:5]) > 5 * 0.65
    assert sum(losses[-10:]) < 10 * 0.3, losses
    assert min(norms) > 0
    assert torch.tensor(norms).isfinite().all()


@pytest.mark.parametrize("estimator", ["sigmoid_st", "reinmax"])
def test_it_learns_in_a_plain_loop(estimator):
    torch.manual_seed(0)
    assert_learned(*trained(binarize(ResNet20(width=8, classes=2), estimator), plain))


def test_it_learns_with_disarm_in_its_stem():
    """So the first convolution has no other gradient than that of disarm.

    Two samples at each of 19 uses would be 2^19 passes, so the blocks are straight-through.
    """
    torch.manual_seed(0)
    net = binarize(ResNet20(width=8, classes=2), "sigmoid_st")
    net.relu = bnrun.Binary("disarm")
    assert_learned(*trained(net, estimated))
    with pytest.raises(RuntimeError, match="needs the loss"):
        net(torch.rand(2, 3, 8, 8))


def test_disarm_in_a_module_that_is_used_twice_reaches_every_weight():
    torch.manual_seed(0)
    net = binarize(ResNet20(width=4, classes=2), "sigmoid_st")
    net.layer3[2].relu = bnrun.Binary("disarm")
    estimated(net, *examples()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_binary_net_evaluates_without_noise():
    torch.manual_seed(0)
    net = binarize(ResNet20(width=4), "reinmax").eval()
    images = torch.rand(3, 3, 12, 12)
    assert torch.equal(net(images), net(images))
