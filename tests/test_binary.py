"""bnrun.Binary is an activation function like any other of torch."""

import pytest
import torch
from all_estimators import SAMPLING, build_of
from binary_layers import NAMES, net
from torch import nn

import bnrun
from bnrun.core.neurons import SBN
from bnrun.core.noise import stream
from bnrun.core.site_noise import SiteNoise, as_noise

OTHERS = [name for name in SAMPLING if name not in NAMES]


def test_every_draw_has_a_stream_of_its_seed_its_call_and_its_place_in_the_call():
    noise, like = SiteNoise(torch.tensor([5, 3])), torch.zeros(1, 4, 6, dtype=torch.float64)
    first, second = noise.uniform(like), noise.normal(like)
    assert first.flatten().tolist() == stream(5, "site", 3, 0).random(24).tolist()
    assert second.flatten().tolist() == stream(5, "site", 3, 1).standard_normal(24).tolist()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 4, 4), ()])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_outputs_have_the_shape_and_dtype_of_the_inputs(name, shape, dtype):
    x = torch.linspace(-2, 2, max(1, torch.Size(shape).numel())).reshape(shape).to(dtype)
    layer = bnrun.Binary(name, seed=0)
    for mode in (layer.train(), layer.eval()):
        y = mode(x)
        assert y.shape == x.shape
        assert y.dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_estimator_at_equal_noise(name):
    x = torch.linspace(-3, 3, 60, dtype=torch.float64).reshape(5, 12)
    weight = torch.linspace(-1, 1, 12, dtype=torch.float64)
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    ((bnrun.Binary(name, seed=9)(first) * weight).sum(-1).square()).sum().backward()
    noise = as_noise(SiteNoise(torch.tensor([9, 0])))
    estimator = build_of(name)(SBN())
    losses = estimator(second.unsqueeze(0), lambda b: (b * weight).sum(-1).square(), noise)
    losses.sum().backward()
    assert torch.equal(first.grad, second.grad)


@pytest.mark.parametrize("name", OTHERS)
def test_an_estimator_that_needs_the_loss_says_how_to_train(name):
    layer = bnrun.Binary(name)
    with pytest.raises(RuntimeError, match=r"bnrun\.estimate\(model, inputs, loss, targets\)"):
        layer(torch.zeros(2, 3))
    assert layer.eval()(torch.ones(2, 3)).eq(1).all()


def test_evaluation_is_thresholded_sampled_or_mean_field():
    x = torch.tensor([-3.0, -0.1, 0.0, 0.1, 3.0]).repeat(4000, 1)
    assert bnrun.Binary(seed=0).eval()(x)[0].tolist() == [0, 0, 0, 1, 1]
    assert torch.equal(bnrun.Binary(evaluate="mean_field").eval()(x), x.sigmoid())
    sampled = bnrun.Binary(evaluate="sampled", seed=0).eval()(x)
    assert set(sampled.unique().tolist()) == {0, 1}
    assert torch.allclose(sampled.mean(0), x[0].sigmoid(), atol=0.035)
    with pytest.raises(ValueError, match="evaluate=mean"):
        bnrun.Binary(evaluate="mean")


@pytest.mark.parametrize("noise", ["logistic", "normal", "uniform"])
def test_the_law_of_the_noise_is_that_of_the_neuron(noise):
    layer = bnrun.Binary("gaussian_st", noise=noise)
    assert layer.estimator.neuron == SBN(noise=noise)


def test_an_unknown_law_of_noise_is_refused():
    with pytest.raises(ValueError, match=r"'logistic', 'normal' or 'uniform'"):
        bnrun.Binary("st", noise="gaussian")


def test_signed_bits_are_minus_and_plus_one():
    y = bnrun.Binary("st", signed=True, seed=0)(torch.randn(1000))
    assert set(y.unique().tolist()) == {-1, 1}


def test_the_same_seed_and_call_draw_the_same_bits():
    x = torch.zeros(50)
    first, second = bnrun.Binary(seed=5), bnrun.Binary(seed=5)
    calls = [first(x) for _ in range(3)]
    assert all(torch.equal(call, second(x)) for call in calls)
    assert not torch.equal(calls[0], calls[1])
    assert not torch.equal(bnrun.Binary(seed=6)(x), calls[0])
    torch.manual_seed(3)
    drawn = [bnrun.Binary()(x) for _ in range(2)]
    torch.manual_seed(3)
    assert torch.equal(drawn[0], bnrun.Binary()(x))
    assert not torch.equal(*drawn)
    generators = [torch.Generator().manual_seed(8) for _ in range(2)]
    assert torch.equal(*(bnrun.Binary(seed=generator)(x) for generator in generators))


def test_bits_of_probability_one_always_fire_in_bfloat16():
    assert bnrun.Binary("st", seed=0)(torch.full((200_000,), 30.0).bfloat16()).eq(1).all()


def test_schedules_move_by_advance_or_by_hand():
    model = net("sigmoid_st", growth=1.1, cap=1.3)
    x = torch.full((1, 1), 0.4, requires_grad=True)

    def assert_slope(layer, slope):
        (gradient,) = torch.autograd.grad(layer(x), x)
        q = torch.sigmoid(x * slope)
        assert torch.allclose(gradient, slope * q * (1 - q))

    for epoch, slope in ((0, 1.0), (1, 1.1), (2, 1.21), (9, 1.3)):
        bnrun.advance(model, step=100 * epoch, epoch=epoch)
        assert_slope(model[1], slope)
    again = net("sigmoid_st", growth=1.1, cap=1.3)
    again.load_state_dict(model.state_dict())
    assert_slope(again[1], 1.3)
    again[1].estimator = bnrun.load_estimator("sigmoid_st", slope=3.0)
    assert_slope(again[1], 3.0)


def test_a_fifty_layer_net_composes_its_config_once():
    from bnrun import binary

    binary._composed.cache_clear()
    layers = [bnrun.Binary("reinmax", temperature=1.5) for _ in range(50)]
    assert binary._composed.cache_info().misses == 1
    assert len({id(layer.estimator) for layer in layers}) == 50


def test_wrong_names_and_values_are_sentences():
    with pytest.raises(ValueError, match="temperature"):
        bnrun.Binary("reinmax", temperature=-1)
    with pytest.raises(ValueError, match="slop"):
        bnrun.Binary("sigmoid_st", slop=2)
    with pytest.raises(ValueError, match="does not support neuron DBN"):
        bnrun.Binary("disarm", neuron="dbn")


def test_it_stands_where_relus_stood():
    def replace_relus(module):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, bnrun.Binary("sigmoid_st"))
            else:
                replace_relus(child)

    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Sequential(nn.Flatten(), nn.ReLU()))
    replace_relus(model)
    assert [type(module).__name__ for module in model.modules()].count("Binary") == 2
    model(torch.randn(2, 1, 6, 6)).sum().backward()
    assert model[0].weight.grad.abs().sum() > 0
