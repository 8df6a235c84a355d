"""A captured step computes the same numbers as a plain one; a tape stands in for CUDA graphs."""

from functools import partial

import pytest
import torch
from small import training
from tape import Tape

from bnrun.api import load_estimator
from bnrun.core.noise import Noise
from bnrun.kernels.philox import normals, uniforms
from bnrun.training.capture import WARM_UP, Captured

ADAM = partial(torch.optim.Adam, fused=True)
MOMENTUM = partial(torch.optim.SGD, momentum=0.9)


@pytest.fixture(autouse=True)
def device_noise(monkeypatch):
    """Draw on the CPU from the streams of a GPU, which are tensor arithmetic."""
    monkeypatch.setattr(
        Noise, "uniform", lambda self, like: self._draw_on_device(like, uniforms, 1)
    )
    monkeypatch.setattr(Noise, "normal", lambda self, like: self._draw_on_device(like, normals, 2))


@pytest.fixture
def tape():
    """A class of tapes with its own counters, for one test."""
    return type("CountingTape", (Tape,), {})


def run_of(name="sigmoid_st", tape=None, scheduler=None, after_step=lambda run: None, **options):
    """A finished run with eight steps per epoch, and its records' scalars."""
    run = training([3, 7], estimator=load_estimator(name), **{"lr": 0.05, "epochs": 3} | options)
    run.scheduler = scheduler and scheduler(run.optimizer)
    if tape is not None:
        run.train_step.captured = Captured(run.train_step.learn, run.optimizer, tape)
    records = [dict(record.scalars) for record in run.run(lambda: after_step(run))]
    return run, records


def assert_same(first, second):
    (run, records), (other, others) = first, second
    for one, two in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(records, others, strict=True):
        assert one.keys() == two.keys()
        for tag in one:
            assert torch.equal(one[tag], two[tag]), tag


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, MOMENTUM, ADAM])
@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "rloo", "st_gumbel", "local_expectation"])
def test_a_captured_run_equals_a_plain_run(name, optimizer, tape):
    captured = run_of(name, tape, optimizer=optimizer, clip_norm=1.0)
    assert_same(captured, run_of(name, optimizer=optimizer, clip_norm=1.0))
    run, _ = captured
    logged = run.total // run.settings.log_every
    assert tape.records == 1
    assert tape.replays == run.total - logged - WARM_UP


def test_a_step_is_recorded_again_when_the_learning_rate_changes(tape):
    decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    assert_same(run_of(tape=tape, scheduler=decay), run_of(scheduler=decay))
    assert tape.records == 3


def test_an_estimator_that_learns_is_not_captured(tape):
    assert_same(run_of("reinforce_moving_average", tape), run_of("reinforce_moving_average"))
    assert tape.records == 0


def make_nan(run):
    if run.step == 9:
        next(run.model.parameters()).detach()[1] = torch.nan


def test_divergence_is_noticed_at_the_right_step(tape):
    run, _ = run_of(tape=tape, after_step=make_nan)
    other, _ = run_of(after_step=make_nan)
    assert run.diverged_steps() == other.diverged_steps() == {"7": 9}
    assert tape.records == 1
    for one, two in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one[0], two[0])


def test_a_resumed_run_has_the_same_numbers(tape):
    whole, _ = run_of(tape=tape, optimizer=ADAM)
    run = training([3, 7], optimizer=ADAM, lr=0.05, epochs=3)
    run.train_step.captured = Captured(run.train_step.learn, run.optimizer, tape)
    records = run.run()
    while run.step < 17:
        next(records)
    state = run.state_dict()
    again = training([3, 7], optimizer=ADAM, lr=0.05, epochs=3)
    again.train_step.captured = Captured(again.train_step.learn, again.optimizer, tape)
    again.load_state_dict(state)
    list(again.run())
    for one, two in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, MOMENTUM, ADAM, torch.optim.Adam])
@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "st_gumbel"])
def test_a_captured_run_on_a_gpu_equals_a_plain_run(name, optimizer):
    options = {"optimizer": optimizer, "device": "cuda", "epochs": 1}
    captured, _ = run_of(name, capture=True, **options)
    plain, _ = run_of(name, **options)
    assert captured.train_step.captured is not None
    for one, two in zip(captured.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
