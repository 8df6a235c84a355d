"""Proof that a model has one set of weights per seed.

R seeds train at once, so every parameter has a leading axis R. A layer of torch whose units happen
to be as many as the seeds has that shape too: its weights would be shared, and ten "seeds" be one.
So it is proven by the gradient: the loss of a seed must have none for the weights of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bnrun.core.network import Downstream, Network
from bnrun.core.neurons import Neuron
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.tasks.base import Task

_POWERS = 24
"""Seeds have weights 2^0 .. 2^23, which scale a gradient exactly."""
_TOLERANCE = 1e-3
"""Relative; a GPU may add in another order each time."""

_INSTEAD = (
    "use the layers of bnrun.core.products and bnrun.core.layers, or stack the weights of one "
    "module per seed"
)


def check_axes(model: Network, seeds: Sequence[int]) -> None:
    """Check that every parameter has a slice of its own for each seed, with its own start."""
    count = len(seeds)
    same = []
    for name, parameter in model.named_parameters():
        if parameter.dim() == 0 or len(parameter) != count:
            raise ValueError(
                f"model: parameter {name} has shape {list(parameter.shape)}, but its first axis "
                f"must be the {count} seeds, each with its own weights: {_INSTEAD}; what is "
                f"constant belongs in a buffer"
            )
        if count > 1 and parameter.stride(0) == 0 and parameter.numel():
            raise ValueError(
                f"model: parameter {name} has the same memory for every seed (expand): clone it, "
                f"or {_INSTEAD}"
            )
        values = parameter.detach()
        if (
            count > 1
            and values.numel() > count
            and bool((values[0] != values[0].view(-1)[0]).any())
        ):
            same.append((name, torch.equal(values[0], values[1])))
    if same and all(equal for _, equal in same):
        raise ValueError(
            f"model: parameter {same[0][0]} starts with the same values for seeds {seeds[0]} and "
            f"{seeds[1]}, and so does every other: initialise replica r from seeds[r]"
        )


def check_buffers(model: Network, inputs: Tensor, fire: Callable[[Tensor], object]) -> None:
    """Check that buffers which a forward pass changes, like running means, belong to one seed each.

    inputs  [R, B, ...]
    fire    runs a forward pass
    """
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    if not before:
        return
    with torch.no_grad():
        fire(inputs)
    changed = {n: b.clone() for n, b in model.named_buffers() if not _same(b, before[n])}
    for name, buffer in changed.items():
        if buffer.dim() == 0 or len(buffer) != len(inputs):
            raise ValueError(
                f"model: buffer {name} of shape {list(buffer.shape)} changes in a forward pass, "
                f"but its first axis is not the {len(inputs)} seeds: give each its own"
            )
    if not changed or len(inputs) == 1:
        return
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
        fire(torch.cat([torch.zeros_like(inputs[:1]), inputs[1:]]))
    for name, buffer in model.named_buffers():
        if name in changed and not _same(buffer[1:], changed[name][1:]):
            raise ValueError(
                f"model: buffer {name} is shared between seeds, because the inputs of one seed "
                f"change its values for another: give each its own"
            )


def _same(first: Tensor, second: Tensor) -> bool:
    if not first.is_floating_point():
        return torch.equal(first, second)
    return torch.allclose(first, second, rtol=_TOLERANCE, atol=0, equal_nan=True)


def check_separate(
    model: Network, task: Task, neurons: Sequence[Neuron], batch: Split, seeds: Sequence[int]
) -> None:
    """Check that the loss of one seed has no gradient for the weights of another.

    Of R losses with weights w the gradient for the weights of seed r must be w_r times the one of
    their sum. So two backward passes are enough for 24 seeds. The units pass on their means, so
    that there is a gradient whatever the estimator is.
    """
    count = len(seeds)
    if count == 1:
        return
    named = dict(model.named_parameters())
    frozen = [parameter for parameter in named.values() if not parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        losses = _mean_field_losses(model, task, neurons, batch, seeds)
        gradient = partial(_gradients, losses, list(named.values()))
        plain = gradient(torch.ones(count))
        for digit in range(1 if count <= _POWERS else 2):
            power = torch.arange(count) // _POWERS**digit % _POWERS
            weights = 2.0**power
            for name, one, weighted in zip(named, plain, gradient(weights), strict=True):
                if one is not None and weighted is not None:
                    _check_scaled(name, one, weighted, weights.to(one), seeds)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _check_scaled(
    name: str, plain: Tensor, weighted: Tensor, weights: Tensor, seeds: Sequence[int]
) -> None:
    plain, weighted = plain.reshape(len(seeds), -1), weighted.reshape(len(seeds), -1)
    error = (weighted / weights.unsqueeze(1) - plain).abs().amax(1)
    wrong = (error > _TOLERANCE * plain.abs().amax(1)).nonzero()
    if len(wrong):
        raise ValueError(
            f"model: parameter {name} is shared between seeds, because the loss of another seed "
            f"changes what seed {seeds[int(wrong[0])]} learns: {_INSTEAD}"
        )


def _gradients(
    losses: Tensor, parameters: Sequence[Tensor], weights: Tensor
) -> tuple[Tensor | None, ...]:
    # Weights as grad_outputs would import sympy, which takes .2 s.
    total = (weights.to(losses) @ losses).sum()
    return torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)


@dataclass
class _MeanField:
    """Passes on the mean activation, with its derivative."""

    firing_neuron: Neuron
    nested: bool = True

    def __call__(self, logits: Tensor, downstream: Downstream, noise: Noise) -> Tensor:
        losses = downstream(self.firing_neuron.mean_field(logits, noise))
        # Plus the logits, which have a gradient even if the loss ignores the activations.
        return losses + logits.sum(-1)


def _mean_field_losses(
    model: Network, task: Task, neurons: Sequence[Neuron], batch: Split, seeds: Sequence[int]
) -> Tensor:
    layers = [_MeanField(neuron) for neuron in neurons]
    loss = partial(task.loss, model, batch)
    return model.losses(batch.inputs, layers, loss, Noise(seeds, "rehearsal"))
