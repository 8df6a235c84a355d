"""What an estimate does to the module around its sites: batch norm, errors, state."""

import itertools

import pytest
import torch
from torch import nn

import bnrun


def test_batch_norm_keeps_the_statistics_of_its_first_pass():
    def net():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Linear(4, 3), nn.BatchNorm1d(3), bnrun.Binary("disarm", seed=2), nn.Linear(3, 1)
        )

    x, once, estimated_net = torch.randn(20, 4), net(), net()
    once[:2](x)
    bnrun.estimate(estimated_net, x, lambda out: out.squeeze(-1).square()).mean().backward()
    for name, buffer in once[1].named_buffers():
        assert torch.equal(buffer, estimated_net[1].get_buffer(name)), name


def test_batch_norm_in_evaluation_mode_is_exact():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Linear(4, 3), bnrun.Binary("exact"), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)
    ).double()
    net[3].running_mean += 0.3
    net[3].eval()
    x = torch.randn(6, 4).double()
    value = bnrun.estimate(net, x, lambda out: out.squeeze(-1).square())
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3))).double()
    p = torch.sigmoid(net[0](x)).unsqueeze(1)
    chance = torch.where(patterns > 0, p, 1 - p).prod(-1)
    outputs = net[4](net[3](net[2](patterns))).squeeze(-1).square()
    assert torch.allclose(value, chance @ outputs, rtol=1e-9)


def mlp(*layers):
    return nn.Sequential(nn.Linear(4, 3), bnrun.Binary("disarm"), *layers)


def square(outputs, *targets):
    return outputs.square().sum(-1)


def test_dropout_is_refused():
    with pytest.raises(RuntimeError, match="dropout"):
        bnrun.estimate(mlp(nn.Dropout(0.5)), torch.randn(5, 4), square)
    net = mlp(nn.Dropout(0.5))
    net[2].eval()
    bnrun.estimate(net, torch.randn(5, 4), square)


def test_what_does_not_keep_the_batch_axis_is_refused():
    with pytest.raises(ValueError, match="one loss per example"):
        bnrun.estimate(mlp(), torch.randn(5, 4), lambda out: out.square().sum(-1).mean())
    turned = nn.Sequential(nn.Linear(4, 3), nn.Flatten(0), bnrun.Binary("disarm"))
    with pytest.raises(ValueError, match="batch axis first"):
        bnrun.estimate(turned, torch.randn(5, 4), square)
    with pytest.raises(ValueError, match=r"no bnrun\.Binary layer"):
        bnrun.estimate(nn.Linear(4, 3), torch.randn(5, 4), square)


def test_an_error_of_the_model_leaves_its_sites_as_they_were():
    net = mlp(nn.Linear(4, 1))  # 3 bits do not fit
    with pytest.raises(RuntimeError, match="shapes"):
        bnrun.estimate(net, torch.randn(5, 4), square)
    assert net[1].visitor is None


def test_what_an_estimator_learns_is_in_the_models_state():
    net = nn.Sequential(nn.Linear(4, 3), bnrun.Binary("reinforce_moving_average"), nn.Linear(3, 1))
    bnrun.estimate(net, torch.randn(5, 4), square)
    state = net.state_dict()
    fresh = nn.Sequential(
        nn.Linear(4, 3), bnrun.Binary("reinforce_moving_average"), nn.Linear(3, 1)
    )
    fresh.load_state_dict(state)
    memory = fresh[1].estimator.state_dict()
    assert memory
    assert all(torch.equal(memory[k], net[1].estimator.state_dict()[k]) for k in memory)
