"""An unbiased estimator in your own training loop: python docs/examples/own_loop_disarm.py

The net has a skip across its binary layer. DisARM needs the loss of two patterns of bits, so the
loop gives `bnrun.estimate` the model and the loss instead of calling them. About 10 s on two cores.
"""

import torch
from torch import nn
from torch.nn import functional as F

import bnrun
from bnrun.data.digits import Digits


class Net(nn.Module):
    """Real-valued features, and bits beside them."""

    def __init__(self, estimator: str) -> None:
        super().__init__()
        self.first, self.logits = nn.Linear(64, 64), nn.Linear(64, 64)
        self.bits = bnrun.Binary(estimator)
        self.head = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.first(images.flatten(1)).tanh()
        return self.head(0.3 * features + self.bits(self.logits(features)))


def loss_per_example(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One loss per row, not their mean."""
    return F.cross_entropy(outputs, targets, reduction="none")


def trained(estimator: str, epochs: int = 10) -> tuple[float, float]:
    """Loss of the last epoch, and accuracy on the test images."""
    torch.manual_seed(0)
    data, net = Digits().load(), Net(estimator)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(data.train.targets)).split(32):
            inputs, targets = data.train.inputs[rows], data.train.targets[rows]
            loss = bnrun.estimate(net, inputs, loss_per_example, targets).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    net.eval()
    with torch.no_grad():
        right = net(data.test.inputs).argmax(-1) == data.test.targets
    return total / len(data.train.targets), right.float().mean().item()


if __name__ == "__main__":
    for name in ("disarm", "rloo", "sigmoid_st"):
        loss, accuracy = trained(name)
        print(f"{name:11} training loss {loss:.3f}, test accuracy {accuracy:.3f}")
