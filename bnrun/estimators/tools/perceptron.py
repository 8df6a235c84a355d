"""A small net with one hidden layer for each replica, and the Adam step that trains it."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bnrun.core.noise import Noise, stream
from bnrun.estimators.tools.learner import Memory

WEIGHTS = ("weight1", "bias1", "weight2", "bias2")


def fresh_perceptron(logits: Tensor, hidden: int, noise: Noise, purpose: str) -> Memory:
    """A net from U units to one number, at first always 0: its weights, and Adam's moments.

    The weights of replica r depend only on its seed and the purpose.
    """
    units = logits.shape[-1]
    replicas = len(noise.seeds)
    first = [stream(seed, purpose).standard_normal((units, hidden)) for seed in noise.seeds]
    weights = {
        "weight1": torch.from_numpy(np.stack(first) / units**0.5).to(logits),
        "bias1": logits.new_zeros(replicas, 1, hidden),
        "weight2": logits.new_zeros(replicas, hidden, 1),
        "bias2": logits.new_zeros(replicas, 1, 1),
    }
    return weights | fresh_moments(weights, WEIGHTS)


def perceptron(weights: Memory, inputs: Tensor) -> Tensor:
    """weight2 . tanh(weight1 . inputs + bias1) + bias2, [*S, R, B, U] -> [*S, R, B, 1]."""
    hidden = torch.einsum("...rbu,ruh->...rbh", inputs, weights["weight1"]) + weights["bias1"]
    output = torch.einsum("...rbh,rho->...rbo", hidden.tanh(), weights["weight2"])
    return output + weights["bias2"]


def train_perceptron(memory: Memory, loss: Callable[[Memory], Tensor], lr: float) -> Memory:
    """The memory after one step of Adam on the weights of the net. See `adam_step`."""
    return adam_step(memory, WEIGHTS, loss, lr)


def fresh_moments(memory: Memory, names: Sequence[str]) -> Memory:
    """Adam's running moments of the named parameters, and its count of steps."""
    moments = {
        f"{name}.{moment}": torch.zeros_like(memory[name])
        for name in names
        for moment in ("first", "second")
    }
    parameter = memory[names[0]]
    return moments | {"steps": parameter.new_zeros(len(parameter))}


def adam_step(
    memory: Memory, names: Sequence[str], loss: Callable[[Memory], Tensor], lr: float
) -> Memory:
    """The memory after one step of Adam on the named parameters.

    loss  memory -> one value per replica, [R, ...]

    Source: Kingma, Ba, Adam (2014), arXiv 1412.6980, with its decays .9 and .999.
    """
    with torch.enable_grad():
        parameters = {name: memory[name].detach().requires_grad_() for name in names}
        total = loss(memory | parameters).sum()
        gradients = torch.autograd.grad(total, list(parameters.values()))
    steps = memory["steps"] + 1
    learned = {"steps": steps}
    for name, gradient in zip(names, gradients, strict=True):
        first = memory[f"{name}.first"].lerp(gradient, 0.1)
        second = memory[f"{name}.second"].lerp(gradient.square(), 0.001)
        age = steps.view(-1, *[1] * (gradient.dim() - 1))
        scale = (second / (1 - 0.999**age)).sqrt() + 1e-8
        learned[name] = memory[name] - lr * first / (1 - 0.9**age) / scale
        learned |= {f"{name}.first": first, f"{name}.second": second}
    return memory | learned
