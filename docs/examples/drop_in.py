"""A residual net in plain PyTorch whose ReLUs become binary: python docs/examples/drop_in.py

The ten lines of `binarize` are all that changes. It takes about half a minute on two idle cores.
"""

import torch
from torch import nn
from torch.nn import functional as F

import bnrun
from bnrun.data.digits import Digits


class Block(nn.Module):
    """Two convolutions with batch norm, and a skip around them."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(y) + self.skip(x)


def resnet(width: int = 16) -> nn.Module:
    """Three blocks; the stem stays real-valued, as is usual."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        Block(width, width),
        Block(width, 2 * width, stride=2),
        Block(2 * width, 4 * width, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


def binarize(module: nn.Module, estimator: str) -> nn.Module:
    """Put a binary layer in place of every ReLU."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, bnrun.Binary(estimator, evaluate="thresholded"))
        else:
            binarize(child, estimator)
    return module


def trained(model: nn.Module, epochs: int = 6) -> float:
    """Accuracy on the test images after an ordinary training loop."""
    data = Digits().load()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        model.train()
        bnrun.advance(model, step=0, epoch=epoch)  # for schedules of slopes and temperatures
        for rows in torch.randperm(len(data.train.targets)).split(64):
            loss = F.cross_entropy(model(data.train.inputs[rows]), data.train.targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = model(data.test.inputs).argmax(-1) == data.test.targets
    return right.float().mean().item()


if __name__ == "__main__":
    torch.manual_seed(0)
    print(f"ReLU        {trained(resnet()):.3f}")
    for name in ("sigmoid_st", "reinmax"):
        torch.manual_seed(0)
        print(f"{name:11} {trained(binarize(resnet(), name)):.3f}")
