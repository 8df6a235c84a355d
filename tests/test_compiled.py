"""A compiled step computes what a plain one computes, up to rounding."""

import copy
import io
import shutil
from dataclasses import fields
from functools import partial

import pytest
import torch
from all_estimators import NAMES
from small import training

from bnrun.api import load_estimator
from bnrun.config.errors import UserError
from bnrun.core.neurons import SBN
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.models.mlp import MLP
from bnrun.tasks.classification import Classification
from bnrun.training.compiled import MOST
from bnrun.training.loop import Training

ADAM = partial(torch.optim.Adam, fused=True)
LEARNING = {
    *("double_cv", "rebar", "reinforce_moving_average", "reinforce_nvil", "reinforce_optimal"),
    *("relax", "rodeo", "ugc"),
}
"""Estimators with a state that changes from step to step."""

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.fixture
def traced(monkeypatch):
    """Run the recorded operations one by one in place of compiled ones, which takes no seconds."""
    import torch._inductor

    monkeypatch.setattr(torch._inductor, "compile", lambda graph, arguments, options: graph)


def run_of(estimator, compiled, steps=20, **options):
    run = training(
        [3, 7], **{"lr": 0.05, "log_every": 8} | options, estimator=estimator, compile=compiled
    )
    run.estimators = [copy.deepcopy(estimator) for _ in run.estimators]
    run.rehearse()
    for _ in range(steps):
        run.update(run.current_estimators())
    return run


def assert_close(run, other, **tolerance):
    for one, two in zip(run.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, **tolerance)
    assert run.noise.state_dict() == other.noise.state_dict()


@pytest.mark.parametrize("name", sorted(set(NAMES) - LEARNING - {"vimco"}))
@pytest.mark.usefixtures("traced", "double")
def test_what_is_recorded_is_the_plain_step_for_every_estimator_that_does_not_learn(name):
    estimator = load_estimator(name, "real" if name == "backprop" else "sbn")
    plain = run_of(estimator, False, clip_norm=1.0)
    assert_close(run_of(estimator, True, clip_norm=1.0), plain, rtol=1e-12, atol=1e-12)


class _Scaled(torch.nn.Module):
    """A head whose outputs are multiplied by a buffer, and which has a parameter without use."""

    def __init__(self, head):
        super().__init__()
        self.head, self.unused = head, torch.nn.Parameter(torch.ones(2, 1))
        self.register_buffer("factor", torch.tensor(2.0))

    def forward(self, x):
        return self.factor * self.head(x)


@pytest.mark.usefixtures("traced", "double")
def test_a_buffer_keeps_its_value_and_a_parameter_without_use_gets_no_gradient():
    runs = [training([3, 7], compile=compiled) for compiled in (False, True)]
    for run in runs:
        run.model.head = _Scaled(run.model.head)
    plain, compiled = (Training(**{f.name: getattr(r, f.name) for f in fields(r)}) for r in runs)
    for run in (plain, compiled):
        run.rehearse()
        for number in range(6):
            run.model.head.factor.fill_(2.0 + number)  # what is baked in would be 2
            run.update(run.current_estimators())
        assert run.model.head.unused.grad is None
    assert_close(compiled, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(LEARNING))
@pytest.mark.usefixtures("traced")
def test_an_estimator_that_learns_is_refused_before_the_first_step(name):
    with pytest.raises(UserError, match="the estimator learns at every step"):
        run_of(load_estimator(name), True, steps=0)


def test_layers_that_share_an_estimator_that_learns_are_named_as_the_reason():
    estimator = load_estimator("reinforce_nvil", "sbn")
    run = training([3], MLP(hidden=[6, 4]), estimator, compile=True)
    run.estimators = [estimator, estimator]
    with pytest.raises(UserError, match=r"\(layers share one estimator, but need one each if it"):
        run.rehearse()


@needs_compiler
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, ADAM])
def test_a_compiled_step_is_the_plain_one_within_rounding(optimizer):
    plain, compiled = (
        run_of(SigmoidST(neuron=SBN()), c, optimizer=optimizer) for c in (False, True)
    )
    assert_close(compiled, plain, rtol=1e-4, atol=1e-5)


@needs_compiler
def test_a_compiled_run_resumes_to_the_bit():
    estimator = SigmoidST(neuron=SBN())
    whole = run_of(estimator, True, optimizer=ADAM)
    file = io.BytesIO()
    torch.save(run_of(estimator, True, steps=11, optimizer=ADAM).state_dict(), file)
    file.seek(0)
    resumed = run_of(estimator, True, steps=0, optimizer=ADAM)
    resumed.load_state_dict(torch.load(file, weights_only=False))
    for _ in range(9):
        resumed.update(resumed.current_estimators())
    assert_close(resumed, whole, rtol=0, atol=0)


@pytest.mark.usefixtures("traced", "double")
def test_a_schedule_has_a_function_for_each_of_its_values():
    schedule = load_estimator("schedule", after=1)
    plain, compiled = (run_of(schedule, c, steps=25) for c in (False, True))
    assert_close(compiled, plain, rtol=1e-12, atol=1e-12)
    assert len(compiled.train_step.compiled._functions) == 2


@pytest.mark.usefixtures("traced")
def test_a_schedule_with_many_values_is_refused_before_the_first_step():
    growing = load_estimator("sigmoid_st", growth=1.1, per="step")
    with pytest.raises(UserError, match=f"more than {MOST}"):
        run_of(growing, True, steps=0)


@pytest.mark.usefixtures("traced", "double")
def test_a_diverged_replica_keeps_its_weights():
    plain, compiled = (run_of(SigmoidST(neuron=SBN()), c, steps=2) for c in (False, True))
    for run in (plain, compiled):
        run.diverged = [0]
        before = [parameter.detach()[0].clone() for parameter in run.model.parameters()]
        run.update(run.current_estimators())
        for old, parameter in zip(before, run.model.parameters(), strict=True):
            assert torch.equal(parameter[0], old)
    assert_close(compiled, plain, rtol=1e-12, atol=1e-12)


def test_without_a_compiler_a_sentence_says_what_is_needed(monkeypatch):
    from torch._inductor import cpp_builder
    from torch._inductor.exc import InvalidCxxCompiler

    def none():
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(UserError, match="needs a C\\+\\+ compiler, and there is none"):
        training([3], compile=True)


def test_models_that_run_one_seed_after_another_are_refused():
    with pytest.raises(UserError, match="runs one seed after another"):
        training([3], model=MLP(hidden=(5,), norm="batch"), compile=True)


class Restless(Classification):
    """A task that changes from step to step."""

    def before_update(self, model, neurons, step, batch):
        self.step = step


def test_a_task_that_changes_from_step_to_step_is_refused():
    run = training([3])
    with pytest.raises(UserError, match="task Restless changes from step to step"):
        type(run)(
            run.model,
            Restless(),
            run.estimators,
            run.optimizer,
            None,
            run.data,
            run.seeds,
            run.settings.model_copy(update={"compile": True}),
        )
