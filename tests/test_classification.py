"""Cross-entropy and accuracy."""

import pytest
import torch
import torch.nn.functional as F

from bnrun.tasks.classification import class_scores, cross_entropy

CLASSES = 8
# Replicas and examples; with a sample axis as well.
SHAPES = [(1, 1), (2, 300), (3, 2, 100)]


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_and_its_gradient_equal_those_of_torch(shape, scale):
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(*shape, CLASSES, generator=draw, dtype=torch.float64) * scale
    targets = torch.randint(CLASSES, shape[-2:], generator=draw)
    ours, reference = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    loss = cross_entropy(ours, targets)
    expected = F.cross_entropy(
        reference.flatten(0, -2), targets.expand(shape).flatten(), reduction="none"
    )
    torch.testing.assert_close(loss.flatten(), expected, rtol=1e-10, atol=1e-10)
    loss.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, reference.grad, rtol=1e-10, atol=1e-10)


def test_accuracy_is_the_share_of_examples_whose_most_probable_class_is_right():
    outputs = torch.tensor([[[0.0, 2.0], [3.0, 1.0], [0.5, 0.4], [-1.0, 7.0]]])
    scores = class_scores(outputs, torch.tensor([[1, 1, 0, 1]]))
    assert scores["accuracy"].tolist() == [[1.0, 0.0, 1.0, 1.0]]
