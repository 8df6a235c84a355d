"""Mean loss and divergence step of each replica."""

import pytest
import torch

from bnrun.training.tally import WINDOW, Tally

NAN, INF = float("nan"), float("inf")
FINITE = torch.zeros(3)


def tally() -> Tally:
    return Tally(3, torch.device("cpu"))


@pytest.mark.parametrize("every", [1, 7, WINDOW, 3 * WINDOW])
@pytest.mark.parametrize("step", [0, 5, WINDOW - 1, WINDOW, 2 * WINDOW + 1])
def test_a_replica_diverges_at_the_step_of_its_first_value_that_is_not_finite(step, every):
    """However often the tally is read."""
    steps = tally()
    for number in range(3 * WINDOW):
        losses, probe = torch.zeros(3, 2), torch.zeros(3)
        if number >= step:
            losses[0, 1] = NAN
        if number >= step + 2:
            probe[2] = -INF
        steps.add(number, losses, probe)
        if number % every == every - 1:
            assert steps.diverged_at[0] == (step if number >= step else -1)
    assert steps.diverged_at.tolist() == [step, -1, step + 2]


def test_a_replica_that_recovers_stays_diverged_at_its_first_step():
    steps = tally()
    for number, value in enumerate([0.0, INF, 0.0, NAN]):
        steps.add(number, torch.full((3, 2), value), FINITE)
    assert steps.diverged_at.tolist() == [1, 1, 1]


def test_infinities_of_both_signs_do_not_cancel():
    steps = tally()
    steps.add(0, torch.tensor([[INF], [1.0], [-INF]]), torch.tensor([-INF, 1.0, INF]))
    assert steps.diverged_at.tolist() == [0, -1, 0]


def test_the_mean_is_over_examples_and_over_steps_since_the_last_call():
    steps = tally()
    for number in range(2 * WINDOW):
        steps.add(number, torch.tensor([[0.0, 2.0], [2.0, 2.0], [3.0, 3.0]]) * number, FINITE)
    middle = (2 * WINDOW - 1) / 2
    assert steps.mean().tolist() == [middle, 2 * middle, 3 * middle]
    steps.add(2 * WINDOW, torch.tensor([[4.0, 4.0], [4.0, 6.0], [6.0, 6.0]]), FINITE)
    assert steps.mean().tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize("saved", [3, WINDOW, WINDOW + 3])
def test_a_restored_tally_equals_an_uninterrupted_one_to_the_bit(saved):
    draws = torch.rand(2 * WINDOW, 3, 7, generator=torch.Generator().manual_seed(0)) / 3
    draws[WINDOW + 9, 1, 2] = NAN
    whole, part = tally(), tally()
    for number, losses in enumerate(draws):
        whole.add(number, losses, FINITE)
        part.add(number, losses, FINITE)
        if number == saved:
            state = part.state_dict()
            part = tally()
            part.load_state_dict(state)
    assert torch.equal(whole.diverged_at, part.diverged_at)
    torch.testing.assert_close(whole.mean(), part.mean(), rtol=0, atol=0, equal_nan=True)
