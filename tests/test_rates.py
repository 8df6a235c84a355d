"""Learning rates that differ between parts of a net."""

import pytest
import torch
from configured import built

SMALL = ["model.hidden=[4]", "seeds=[3,7]", "trainer.steps=1", "optimizer.lr=0.5"]


def weights(run):
    return {name: weight.detach().clone() for name, weight in run.model.named_parameters()}


def test_a_factor_scales_only_the_steps_of_the_parameters_that_it_names():
    before = weights(built(SMALL))
    moves = []
    for words in ([], ["rates={head:0.01}"]):
        run = built([*SMALL, *words])
        list(run.run())
        moves.append({name: new - before[name] for name, new in weights(run).items()})
    plain, scaled = moves
    assert {name.split(".")[0] for name in plain} == {"stages", "head"}
    for name, move in plain.items():
        factor = 0.01 if name.startswith("head") else 1.0
        torch.testing.assert_close(scaled[name], factor * move, rtol=1e-3, atol=1e-7)
        assert move.abs().max() > 1e-4


def test_the_logged_rate_is_that_of_the_other_parameters():
    run = built([*SMALL, "rates={stages.0:0.1}"])
    logged = [r.scalars["schedule/learning_rate"] for r in run.run() if "loss/train" in r.scalars]
    assert logged[0].tolist() == [0.5, 0.5]


def test_a_prefix_that_matches_no_parameter_is_rejected_with_the_choices():
    with pytest.raises(
        ValueError, match=r"rates\.gater: no .* use one of stages, head, or a longer"
    ):
        built([*SMALL, "rates={gater:0.1}"])
