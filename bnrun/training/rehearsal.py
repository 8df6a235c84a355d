"""What is tried on a few examples before step 1: mistakes that would train without an error.

A model whose weights are shared between seeds, an estimator that gives no gradient, a loss of a
wrong shape: each of them trains, and its curves look plausible. Everything here raises ValueError
that names the parameter, layer or task, and changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from bnrun.core.modules import Modules
from bnrun.core.network import Network, Pass
from bnrun.core.noise import Noise
from bnrun.data.base import Split
from bnrun.estimators.base import Estimator
from bnrun.measurement.observation import Tap, as_in_training
from bnrun.tasks.base import ScoredTask, Task
from bnrun.training.replicas import check_axes, check_buffers, check_separate

_SAMPLES = 2
"""In the way "averaged"; more than one shows whether scores handle the axis of samples."""


def rehearse(
    model: Network,
    task: Task,
    estimators: Sequence[Estimator],
    batch: Split,
    validation: Split,
    seeds: Sequence[int],
) -> None:
    """Try model, task and estimators together, on a batch [R, B, ...] of training examples.

    A batch of other than R examples shows which axis is which; three or more, because a batch norm
    of two has no gradient.
    """
    _check_bound(model, task, estimators)
    if isinstance(model, Modules) and not all(estimator.nested for estimator in estimators):
        raise ValueError(
            "estimator.nested=false is for models that are a chain, like mlp, cnn and vae: leave "
            "it out for a model whose bits may reach any later part"
        )
    check_axes(model, seeds)
    examples = 3 if len(seeds) != 3 else 4
    batch = task.drawn(Split(*(part[:, :examples] for part in batch)), Noise(seeds, "rehearsal"))
    with _same_buffers(model), _own_randomness():
        check_buffers(model, batch.inputs, partial(_fired, model, estimators, seeds=seeds))
        _check_loss(model, task, estimators, batch, seeds)
        check_separate(model, task, [e.firing_neuron for e in estimators], batch, seeds)
        with model.evaluating():
            _check_gradients(model, task, estimators, batch, seeds)
            if isinstance(task, ScoredTask):
                _check_goal(model, task, estimators, validation.spread(examples), seeds)


def _check_bound(model: Network, task: Task, estimators: Sequence[Estimator]) -> None:
    """Raise ValueError unless the estimators minimise what the task wants minimised."""
    bounds = [estimator.bound for estimator in estimators]
    if task.bound is None and any(bound is not None for bound in bounds):
        raise ValueError(
            "estimator=vimco minimises a bound of several samples, which this task does not have: "
            "choose task=vae task.objective=iwae, or an estimator of the mean loss, e.g. "
            "estimator=rloo"
        )
    if task.bound is None:
        return
    if any(bound is None for bound in bounds):
        raise ValueError(
            "task.objective=iwae minimises a bound of several samples, and the estimator the mean "
            "loss of each: choose estimator=vimco, or task.objective=elbo"
        )
    uses = len(model.uses) if isinstance(model, Modules) else len(estimators)
    if uses > 1:
        raise ValueError(
            f"a bound of several samples needs a model with one binary layer, used once, but this "
            f"one uses {uses}: choose e.g. model.latent=[200], or task.objective=elbo"
        )
    if bounds[0] != task.bound:
        raise ValueError(
            f"estimator.samples={bounds[0]}, but task.samples={task.bound}: leave out "
            f"estimator.samples, which follows task.samples"
        )


def _fired(
    model: Network, estimators: Sequence[Estimator], inputs: Tensor, seeds: Sequence[int]
) -> Pass:
    """A forward pass as in training, but without any gradient."""
    neurons = [estimator.firing_neuron for estimator in estimators]
    return as_in_training(model, neurons, inputs, Noise(seeds, "rehearsal"))


@torch.no_grad()
def _check_loss(
    model: Network, task: Task, estimators: Sequence[Estimator], batch: Split, seeds: Sequence[int]
) -> None:
    fired = _fired(model, estimators, batch.inputs, seeds)
    losses = _loss(task, model, batch, fired)
    if not losses.isfinite().all():
        index = (~losses.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"task {type(task).__name__}: the loss of an example before the first update is "
            f"{losses[tuple(index)].item()} (seed {seeds[index[0]]}): nothing can be learned from "
            f"it, so correct the loss, or scale the inputs"
        )


def _loss(task: Task, model: Network, batch: Split, fired: Pass) -> Tensor:
    """The task's loss, whose shape must be [*S, R, B]."""
    losses: object = task.loss(model, batch, fired)
    expected = fired.rows
    if not isinstance(losses, Tensor):
        raise TypeError(
            f"task {type(task).__name__}.loss returned a {type(losses).__name__}, not a tensor"
        )
    if losses.shape != expected:
        raise ValueError(
            f"task {type(task).__name__}.loss returned shape {list(losses.shape)}: it must return "
            f"one loss per example, [*S, R, B], here {list(expected)}"
        )
    return losses


def _check_gradients(
    model: Network, task: Task, estimators: Sequence[Estimator], batch: Split, seeds: Sequence[int]
) -> None:
    """Check that every estimator gives its logits a gradient, on one example."""
    batch = Split(*(part[:, :1] for part in batch))
    tap = Tap(model, [estimator.frozen() for estimator in estimators])
    loss = partial(_loss, task, model, batch)
    losses = model.losses(batch.inputs, tap.estimators, loss, Noise(seeds, "rehearsal"), tap)
    layers = range(len(estimators))
    tapped = [logits for layer in layers for logits in tap.logits(layer)]
    if not tapped:
        return
    gradients = torch.autograd.grad(losses.sum(), tapped, allow_unused=True)
    found = dict(zip(map(id, tapped), gradients, strict=True))
    # From the last, because an estimator that gives no gradient cuts off the layers before it.
    for layer in reversed(layers):
        kept = tap.logits(layer)
        if kept and all(found[id(logits)] is None for logits in kept):
            raise ValueError(
                f"layer {layer + 1}: {tap.without_gradient(layer)}; make the loss "
                f"depend on the logits, e.g. by a straight-through derivative or a score"
            )


def _check_goal(
    model: Network,
    task: ScoredTask,
    estimators: Sequence[Estimator],
    split: Split,
    seeds: Sequence[int],
) -> None:
    """Check that the score that the run is judged by is computed."""
    neurons = [estimator.evaluation_neuron for estimator in estimators]
    scores = task.evaluate(model, neurons, split, Noise(seeds, "rehearsal"), _SAMPLES)
    score, way = task.goal["score"], task.goal["way"]
    if score not in scores or way not in (None, *scores[score]):
        given = ", ".join(f"{name} ({', '.join(ways)})" for name, ways in scores.items())
        raise ValueError(
            f"task {type(task).__name__}: its goal is the score {score}"
            f"{f' ({way})' if way else ''}, but its scores are {given}: correct goal or scores"
        )


@contextmanager
def _same_buffers(model: Network) -> Iterator[None]:
    """Give the buffers their values back when the block ends."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Raises ValueError if the block draws from torch's global generator, which has no seed."""
    before = torch.get_rng_state()
    yield
    if not torch.equal(before, torch.get_rng_state()):
        torch.set_rng_state(before)
        raise ValueError(
            "the model, the task or an estimator draws random numbers from torch's global "
            "generator, as nn.Dropout and torch.rand do, so no seed gives the same run twice: draw "
            "from the noise that estimators and tasks are given"
        )
