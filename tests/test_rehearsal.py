"""Before step 1: weights of their own for every seed, gradients at every layer, losses per example.

Each mistake here would train without an error, and its curves would look plausible.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from configured import built
from same import same
from small import training
from torch import nn

from bnrun.core.chain import Chain
from bnrun.core.layers import BatchNorm
from bnrun.core.neurons import SBN
from bnrun.core.products import Linear
from bnrun.estimators.antithetic import DisARM
from bnrun.estimators.base import Estimator, fire
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.measurement.observation import Tap
from bnrun.models.mlp import MLP
from bnrun.tasks.classification import Classification

SEEDS = [3, 7, 11]
IMAGE, CLASSES, UNITS = 64, 3, 3


def chain(first=None, second=None, head=None, seeds=SEEDS):
    """Two binary layers of as many units as there are seeds; parts may be replaced."""
    units = len(seeds)
    flat = nn.Flatten(start_dim=-3)
    first = first or Linear(IMAGE, units, seeds, "first", "default")
    second = second or Linear(units, units, seeds, "second", "default")
    head = head or Linear(units, CLASSES, seeds, "head", "default")
    return Chain([nn.Sequential(flat, first), second], head, [units, units])


def run_of(model, estimators=None, task=None, seeds=SEEDS):
    run = training(seeds, model=MLP(hidden=(4, 4)))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return replace(
        run,
        model=model,
        optimizer=torch.optim.SGD(trained, lr=0.1),
        estimators=estimators or run.estimators,
        task=task or run.task,
    )


def refusal(run, error=ValueError):
    with pytest.raises(error) as caught:
        run.rehearse()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Scaled(nn.Module):
    """Multiplies by a parameter that has one value for each seed, but not the seeds as its axis."""

    def __init__(self, units):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 2, units))

    def forward(self, x):
        return x * self.scale


class Mixing(nn.Module):
    """Adds a little of every seed's input to those of the others."""

    def forward(self, x):
        return x + 0.05 * x.mean(-3, keepdim=True)


class Shared(nn.Module):
    """A leading axis of seeds, whose first entry is used by all."""

    def __init__(self, inputs, outputs, seeds):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(len(seeds), inputs, outputs))

    def forward(self, x):
        return x @ self.weight[0]


class Neighbour(Shared):
    """Seeds 1 and 2 have each other's weights, seed 0 its own: no seed can be checked alone."""

    def forward(self, x):
        return x @ self.weight[[0, 2, 1]]


SHARED = {
    "torch's layer at the start": (
        {"first": nn.Linear(IMAGE, UNITS)},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "torch's layer between": (
        {"second": nn.Linear(UNITS, UNITS)},
        "parameter stages.1.weight is shared between seeds",
    ),
    "torch's layer without bias": (
        {"second": nn.Linear(UNITS, UNITS, bias=False)},
        "parameter stages.1.weight is shared",
    ),
    "torch's layer as head": ({"head": nn.Linear(UNITS, CLASSES)}, "parameter head.weight is"),
    "another number of units": (
        {"first": nn.Sequential(nn.Linear(IMAGE, 5), nn.Linear(5, UNITS))},
        "parameter stages.0.1.0.weight has shape [5, 64], but its first axis must be the 3 seeds",
    ),
    "a scale per unit": (
        {"second": nn.Sequential(Scaled(UNITS), Linear(UNITS, UNITS, SEEDS, "second", "default"))},
        "parameter stages.1.0.scale is shared between seeds",
    ),
    "the first seed's weights": (
        {"first": Shared(IMAGE, UNITS, SEEDS)},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "another seed's weights": (
        {"second": Neighbour(UNITS, UNITS, SEEDS)},
        "parameter stages.1.weight is shared between seeds",
    ),
    "seeds that are mixed": (
        {"second": nn.Sequential(Mixing(), Linear(UNITS, UNITS, SEEDS, "second", "default"))},
        "parameter stages.0.1.weight is shared between seeds",
    ),
    "torch's norm": (
        {"second": nn.Sequential(nn.LayerNorm(UNITS), Linear(UNITS, UNITS, SEEDS, "s", "default"))},
        "parameter stages.1.0.weight is shared between seeds",
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_weights_that_seeds_share_are_refused_by_what_they_are(case):
    parts, message = SHARED[case]
    refused = refusal(run_of(chain(**parts)))
    assert message in refused
    assert "use the layers of bnrun.core.products and bnrun.core.layers" in refused


@pytest.mark.parametrize("count", [2, 3, 5, 23, 24, 25, 30, 49])
@pytest.mark.parametrize("pair", ["first", "last", "far"])
def test_any_two_seeds_that_share_weights_are_found(count, pair):
    seeds = list(range(count))
    one, other = {"first": (0, 1), "last": (count - 1, count - 2), "far": (0, count - 1)}[pair]

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = Linear(IMAGE, 4, seeds, "first", "default")

        def forward(self, x):
            y = self.layer(x)
            mixed = y.clone()
            mixed[one] = (x @ self.layer.weight[other])[one]
            return mixed

    stage = nn.Sequential(nn.Flatten(start_dim=-3), Two())
    model = Chain([stage], Linear(4, CLASSES, seeds, "head", "default"), [4])
    run = run_of(model, [SigmoidST(neuron=SBN())], seeds=seeds)
    assert "stages.0.1.layer.weight is shared between seeds" in refusal(run)
    model = Chain(
        [nn.Sequential(nn.Flatten(start_dim=-3), Linear(IMAGE, 4, seeds, "first", "default"))],
        Linear(4, CLASSES, seeds, "head", "default"),
        [4],
    )
    run_of(model, [SigmoidST(neuron=SBN())], seeds=seeds).rehearse()


def test_weights_that_are_not_trained_are_checked_as_well():
    model = chain(second=nn.Linear(UNITS, UNITS).requires_grad_(False))
    run = run_of(model)
    assert "parameter stages.1.weight is shared between seeds" in refusal(run)
    assert not any(weight.requires_grad for weight in model.stages[1].parameters())


def test_weights_are_checked_whatever_the_estimator_differentiates():
    class Guess(Classification):
        def loss(self, model, batch, fired):
            return (model.outputs(batch.inputs, fired).argmax(-1) != batch.targets).float()

    estimators = [DisARM(neuron=SBN())] * 2
    run_of(chain(), estimators, Guess()).rehearse()
    run = run_of(chain(first=nn.Linear(IMAGE, UNITS)), estimators, Guess())
    assert "parameter stages.0.1.weight is shared between seeds" in refusal(run)


def test_memory_that_seeds_share_is_refused():
    layer = Linear(IMAGE, UNITS, SEEDS, "first", "default")
    layer.weight = nn.Parameter(layer.weight[:1].detach().expand(3, -1, -1))
    message = refusal(run_of(chain(first=layer)))
    assert "parameter stages.0.1.weight has the same memory for every seed" in message


def test_the_same_first_weights_for_every_seed_are_refused():
    def copied():
        model = chain()
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight[:1].clone().expand_as(weight))
        return model

    message = refusal(run_of(copied()))
    assert "parameter stages.0.1.weight starts with the same values for seeds 3 and 7" in message
    partly = copied()  # A layer may start like that, e.g. as the identity.
    with torch.no_grad():
        partly.head.weight[1] += 1
    run_of(partly).rehearse()


class Running(nn.Module):
    """Subtracts a running mean of its inputs, kept in a buffer of some shape."""

    def __init__(self, shape, over):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.over = over

    def forward(self, x):
        mean = x.detach().mean(self.over, keepdim=True)
        self.mean += 0.1 * (mean.view(self.mean.shape) - self.mean)
        return x - self.mean


def with_running(shape, over):
    return chain(first=nn.Sequential(Running(shape, over), Linear(IMAGE, 3, SEEDS, "f", "default")))


def test_a_buffer_of_every_seed_is_allowed_and_keeps_its_value():
    model = with_running((3, 1, IMAGE), -2)
    run_of(model).rehearse()
    assert (model.stages[0][1][0].mean == 0).all()


@pytest.mark.parametrize(
    ("shape", "over", "message"),
    [
        ((1, 1, IMAGE), (-3, -2), "buffer stages.0.1.0.mean of shape [1, 1, 64] changes in a"),
        ((), (-3, -2, -1), "buffer stages.0.1.0.mean of shape [] changes in a forward pass"),
    ],
)
def test_a_buffer_that_seeds_share_is_refused(shape, over, message):
    model = with_running(shape, over)
    assert message in refusal(run_of(model))
    assert (model.stages[0][1][0].mean == 0).all()


def test_a_buffer_with_the_axis_of_seeds_that_mixes_them_is_refused():
    class Mixed(Running):
        def forward(self, x):
            self.mean += 0.1 * (x.detach().mean() - self.mean)
            return x - self.mean

    model = chain(
        first=nn.Sequential(Mixed((3, 1, 1), ()), Linear(IMAGE, 3, SEEDS, "f", "default"))
    )
    assert "buffer stages.0.1.0.mean is shared between seeds" in refusal(run_of(model))
    assert (model.stages[0][1][0].mean == 0).all()


def test_a_constant_buffer_is_allowed():
    model = chain()
    model.register_buffer("grid", torch.arange(5))
    run_of(model).rehearse()


def test_a_norm_over_the_examples_of_one_seed_is_allowed():
    layers = [Linear(IMAGE, UNITS, SEEDS, "f", "default"), BatchNorm((UNITS,), SEEDS)]
    run_of(chain(first=nn.Sequential(*layers))).rehearse()


@pytest.mark.parametrize("place", ["model", "task", "estimator"])
def test_random_numbers_without_a_seed_are_refused(place):
    class Noisy(Classification):
        def loss(self, model, batch, fired):
            losses = super().loss(model, batch, fired)
            return losses + torch.rand_like(losses)

    class Rand(SigmoidST):
        def __call__(self, logits, downstream, noise):
            return super().__call__(logits, downstream, noise) + torch.rand(())

    options = {
        "model": {"model": chain(second=nn.Sequential(nn.Dropout(0.5), chain().stages[1]))},
        "task": {"model": chain(), "task": Noisy()},
        "estimator": {"model": chain(), "estimators": [Rand(neuron=SBN())] * 2},
    }
    before = torch.get_rng_state()
    assert "draws random numbers from torch's global generator" in refusal(run_of(**options[place]))
    assert torch.equal(torch.get_rng_state(), before)


WORDS = {
    "mlp": ["model.hidden=[10,10]"],
    "cnn": ["model=cnn", "model.channels=[10,2]", "model.dense=10"],
    "vae": ["task=vae", "model=vae", "model.latent=[10,10]", "model.hidden=[10]"],
    "gated": ["task=gated", "model=gated", "model.hidden=10", "model.gater=10"],
    "autoencoder": ["task=autoencoder", "model=autoencoder", "model.code=10", "model.width=10"],
    "resnet": ["model=resnet", "model.width=3"],
    "rnn": ["model=rnn", "model.hidden=10"],
    "gan": ["task=gan", "model=generator_mlp", "model.hidden=[10]", "task.judge_steps=1"],
    "toy": ["task=toy", "model=bits", "model.units=10", "dataset=blank"],
    "structured": ["task=structured_prediction", "model.hidden=[10]", "model.norm=layer"],
    "bfloat16 products": ["trainer.products=bfloat16"],
    "float64": ["dtype=float64"],
}


@pytest.mark.parametrize("seeds", ["1", "2", "10", "30"])
@pytest.mark.parametrize("case", WORDS)
def test_every_model_of_ours_passes_and_nothing_is_changed(case, seeds):
    run = built([*WORDS[case], f"seeds={seeds}"])
    generator = torch.get_rng_state()
    before = run.state_dict()
    before = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in flat(before).items()}
    run.rehearse()
    after = flat(run.state_dict())
    assert same(
        {k: before[k] for k in before if "seconds" not in k},
        {k: after[k] for k in after if "seconds" not in k},
    )
    assert all(weight.grad is None for weight in run.model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def flat(state, prefix=""):
    """Nested dictionaries and lists as one dictionary."""
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    else:
        return {prefix: state}
    return {k: v for key, value in items for k, v in flat(value, f"{prefix}/{key}").items()}


def test_a_rehearsal_does_not_change_the_training():
    plain, rehearsed = (training(SEEDS, epochs=1) for _ in range(2))
    rehearsed.rehearse()
    for one, two in zip(plain.run(), rehearsed.run(), strict=True):
        assert one.scalars.keys() == two.scalars.keys()
        for tag, values in one.scalars.items():
            assert torch.equal(values, two.scalars[tag]), tag


# Estimators.


class Detached(Estimator):
    """Fires bits that do not depend on the logits for autograd."""

    def __call__(self, logits, downstream, noise):
        return downstream(fire(self.neuron, logits.detach(), noise))


@pytest.mark.parametrize("layer", [1, 2])
def test_an_estimator_that_gives_no_gradient_is_named_with_its_layer(layer):
    estimators = [SigmoidST(neuron=SBN()), SigmoidST(neuron=SBN())]
    estimators[layer - 1] = Detached(neuron=SBN())
    message = refusal(run_of(chain(), estimators))
    assert f"layer {layer}: estimator Detached returned a loss that gives no gradient" in message


def test_an_estimator_that_gives_no_gradient_later_is_named():
    run = run_of(chain(), [Detached(neuron=SBN())] * 2)
    with pytest.raises(ValueError, match="estimator Detached returned a loss that gives no grad"):
        run.logged_update()


def test_a_layer_before_which_nothing_is_trained_has_no_gradient_to_log():
    model = chain()
    model.stages[0].requires_grad_(False)
    run = run_of(model)
    run.rehearse()
    scalars = run.logged_update()
    assert "gradient/logits/layer2" in scalars
    assert "gradient/logits/layer1" not in scalars
    assert Tap(model, run.estimators).gradient_norm(0, 2) is None


# Tasks.


def task_with(loss=None, scores=None, evaluated=None, goal=None):
    class Mine(Classification):
        def loss(self, model, batch, fired):
            losses = super().loss(model, batch, fired)
            return losses if loss is None else loss(losses)

        def scores(self, model, batch, fired):
            values = super().scores(model, batch, fired)
            return values if scores is None else scores(values)

        def evaluate(self, *arguments):
            values = super().evaluate(*arguments)
            return values if evaluated is None else evaluated(values)

    if goal:
        Mine.goal = goal
    return run_of(chain(), task=Mine())


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda losses: losses.mean(), []),
        (lambda losses: losses.mean(-1), [3]),
        (lambda losses: losses[..., None], [3, 4, 1]),
        (lambda losses: losses.transpose(-1, -2), [4, 3]),
        (lambda losses: losses.mean(-2, keepdim=True), [1, 4]),
        (lambda losses: losses.mean(-1, keepdim=True), [3, 1]),
    ],
)
def test_a_loss_that_is_not_one_per_example_is_refused(loss, shape):
    message = refusal(task_with(loss))
    assert f"task Mine.loss returned shape {shape}: it must return one loss per" in message
    assert "[*S, R, B], here [3, 4]" in message


def test_a_loss_that_is_no_tensor_is_refused():
    message = refusal(task_with(lambda losses: losses.detach().numpy()), TypeError)
    assert message == "task Mine.loss returned a ndarray, not a tensor"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_before_the_first_update_is_refused(value):
    def loss(losses):
        return torch.where(torch.arange(3)[:, None] == 1, value, losses)

    message = refusal(task_with(loss))
    assert f"task Mine: the loss of an example before the first update is {value}" in message
    assert "(seed 7)" in message


@pytest.mark.parametrize(
    ("change", "shape"),
    [(lambda v: v.mean(-1), [3]), (lambda v: v.mT, [4, 3]), (lambda v: v[..., None], [3, 4, 1])],
)
def test_a_score_that_is_not_one_per_example_is_refused(change, shape):
    run = task_with(scores=lambda values: values | {"accuracy": change(values["accuracy"])})
    message = refusal(run)
    assert f"task Mine: the score accuracy (thresholded) has shape {shape}, but must" in message
    assert "[R, B], here [3, 4]" in message


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda evidence: evidence.logsumexp(0), [3, 4, 3]),
        (lambda evidence: evidence.sum((-1, -2)), [2, 3]),
        (lambda evidence: evidence.transpose(0, 1), [3, 2, 4, 3]),
    ],
)
def test_evidence_without_the_axis_of_samples_is_refused(change, shape):
    class Mine(Classification):
        def evidence(self, model, batch, fired):
            return change(super().evidence(model, batch, fired))

    message = refusal(run_of(chain(), task=Mine()))
    assert f"task Mine.evidence returned shape {shape}, but must return [K, R, B, ...]" in message


def test_a_score_of_a_set_that_is_not_one_per_seed_is_refused():
    run = task_with(evaluated=lambda scores: scores | {"set": {"sampled": torch.zeros(())}})
    with pytest.raises(ValueError, match=r"Mine.evaluate returned shape \[\] for the score set"):
        run.observed()


@pytest.mark.parametrize("goal", [("hits", None), ("accuracy", "averagely")])
def test_a_goal_that_is_not_among_the_scores_is_refused(goal):
    run = task_with(goal={"score": goal[0], "way": goal[1], "larger_is_better": True})
    message = refusal(run)
    assert f"task Mine: its goal is the score {goal[0]}" in message
    assert "its scores are accuracy (thresholded, sampled, averaged, mean_field), loss (" in message
