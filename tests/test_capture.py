"""A captured step gives the numbers of a plain one; a tape plays the part of CUDA's graphs."""

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
def noise_of_a_device(monkeypatch):
    """The streams that a GPU draws from, which are tensor arithmetic."""
    monkeypatch.setattr(Noise, "uniform", lambda self, like: self._drawn_there(like, uniforms, 1))
    monkeypatch.setattr(Noise, "normal", lambda self, like: self._drawn_there(like, normals, 2))


@pytest.fixture
def tape():
    """A kind of tape that counts for this test alone."""
    return type("CountingTape", (Tape,), {})


def run_of(name="sigmoid_st", tape=None, scheduler=None, after_step=lambda run: None, **options):
    """All records of a run of twelve steps an epoch, and the weights at its end."""
    run = training([3, 7], estimator=load_estimator(name), **{"lr": 0.05, "epochs": 3} | options)
    run.scheduler = scheduler and scheduler(run.optimizer)
    if tape is not None:
        run.train_step.captured = Captured(run.train_step.learn, run.optimizer, tape)
    records = [dict(record.scalars) for record in run.run(lambda: after_step(run))]
    return run, records


def assert_same(first, second):
    (run, records), (other, others) = first, second
    for mine, theirs in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(records, others, strict=True):
        assert mine.keys() == theirs.keys()
        for tag in mine:
            assert torch.equal(mine[tag], theirs[tag]), tag


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, MOMENTUM, ADAM])
@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "rloo", "st_gumbel", "local_expectation"])
def test_a_captured_run_equals_one_that_is_not(name, optimizer, tape):
    captured = run_of(name, tape, optimizer=optimizer, clip_norm=1.0)
    assert_same(captured, run_of(name, optimizer=optimizer, clip_norm=1.0))
    run, _ = captured
    logged = run.total // run.settings.log_every
    assert tape.records == 1
    assert tape.replays == run.total - logged - WARM_UP


def test_a_step_is_recorded_anew_when_the_learning_rate_changes(tape):
    decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    assert_same(run_of(tape=tape, scheduler=decay), run_of(scheduler=decay))
    assert tape.records == 3


def test_an_estimator_that_learns_is_not_captured(tape):
    assert_same(run_of("reinforce_moving_average", tape), run_of("reinforce_moving_average"))
    assert tape.records == 0


def poison(run):
    if run.step == 9:
        next(run.model.parameters()).detach()[1] = torch.nan


def test_a_replica_that_diverges_is_noticed_at_its_step(tape):
    run, _ = run_of(tape=tape, after_step=poison)
    other, _ = run_of(after_step=poison)
    assert run.diverged_steps() == other.diverged_steps() == {"7": 9}
    assert tape.records == 1
    for mine, theirs in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine[0], theirs[0])


def test_a_run_goes_on_from_its_state_with_the_same_numbers(tape):
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
    for mine, theirs in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, MOMENTUM, ADAM, torch.optim.Adam])
@pytest.mark.parametrize("name", ["sigmoid_st", "disarm", "st_gumbel"])
def test_a_captured_run_on_a_gpu_equals_one_that_is_not(name, optimizer):
    options = {"optimizer": optimizer, "device": "cuda", "epochs": 1}
    captured, _ = run_of(name, capture=True, **options)
    plain, _ = run_of(name, **options)
    assert captured.train_step.captured is not None
    for mine, theirs in zip(captured.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
