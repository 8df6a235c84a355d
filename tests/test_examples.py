"""The examples of docs/ train, shortened."""

import importlib.util
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("estimator", ["sigmoid_st", "reinmax"])
def test_a_residual_net_with_binary_layers_learns(estimator):
    drop_in = example("drop_in")
    torch.manual_seed(0)
    model = drop_in.binarize(drop_in.resnet(), estimator)
    assert not any(isinstance(module, torch.nn.ReLU) for module in model.modules())
    assert drop_in.trained(model, epochs=2) > 0.25


@pytest.mark.parametrize("estimator", ["disarm", "rloo", "sigmoid_st"])
def test_a_loop_with_estimate_learns(estimator):
    assert example("own_loop_disarm").trained(estimator, epochs=3)[1] > 0.6
