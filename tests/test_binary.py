"""bnrun.Binary is an activation function like any other of torch."""

import copy
import io
import pickle

import pytest
import torch
from all_estimators import SAMPLING, build_of
from torch import nn
from torch.utils.checkpoint import checkpoint

import bnrun
from bnrun.core.neurons import SBN
from bnrun.core.site_noise import SiteNoise, as_noise
from bnrun.estimators.base import ActivationEstimator, Progress

START = Progress(0, 0)
NAMES = [
    name for name in SAMPLING if isinstance(build_of(name)(SBN()).at(START), ActivationEstimator)
]
OTHERS = [name for name in SAMPLING if name not in NAMES]


def net(name="sigmoid_st", **fields):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 7), bnrun.Binary(name, seed=1, **fields), nn.Linear(7, 6),
        bnrun.Binary(name, seed=2, **fields), nn.Linear(6, 1),
    )  # fmt: skip


def gradients(model, x, run=None):
    model.zero_grad()
    (run or model)(x).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def restart(model):
    for module in model.modules():
        if isinstance(module, bnrun.Binary):
            module.noise_state[1] = 0


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


def test_the_state_dict_continues_where_it_was():
    x, first = torch.zeros(4, 5), net()
    first(x)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = net()
    second(x), second(x)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpointed_module_draws_its_bits_again(name, reentrant):
    model, x = net(name), torch.randn(4, 5, requires_grad=True)
    plain = gradients(model, x)
    restart(model)

    def twice(x):
        # Segments that are run again in reverse order, and a layer that is used in both.
        x = checkpoint(model[:2], x, use_reentrant=reentrant)
        return checkpoint(model[2:], x, use_reentrant=reentrant)

    for a, b in zip(plain, gradients(model, x, twice), strict=True):
        assert torch.equal(a, b)


def test_a_layer_that_is_used_in_several_checkpoints_draws_each_ones_bits_again():
    torch.manual_seed(0)
    linear, bits = nn.Linear(6, 6), bnrun.Binary("reinmax", seed=1)
    model = nn.Sequential(linear, bits)
    x = torch.randn(4, 6, requires_grad=True)

    def unrolled(x):
        for _ in range(4):
            x = checkpoint(model, x, use_reentrant=False)
        return x

    plain = gradients(model, x, lambda x: model(model(model(model(x)))))
    restart(model)
    for a, b in zip(plain, gradients(model, x, unrolled), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_that_does_not_restore_the_generator_is_refused():
    model, x = net(), torch.randn(4, 5, requires_grad=True)
    y = checkpoint(model, x, use_reentrant=False, preserve_rng_state=False)
    torch.rand(3)
    with pytest.raises(RuntimeError, match="preserve_rng_state"):
        y.sum().backward()


# torch.compile makes objects of functions with setup_context, which torch itself deprecates.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_torch_compile_takes_the_whole_graph(name):
    model, x = net(name), torch.randn(4, 5)
    expected, by_hand = model(x), gradients(model, x)
    restart(model)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x), expected, atol=1e-6)
    for a, b in zip(by_hand, gradients(model, x, compiled), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_torch_func_works():
    model, x = net("reinmax"), torch.randn(4, 5)
    parameters = dict(model.named_parameters())

    def total(parameters):
        return torch.func.functional_call(model, parameters, (x,)).sum()

    by_hand = gradients(model, x)
    restart(model)
    found = torch.func.grad(total)(parameters)
    for a, b in zip(by_hand, found.values(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)
    rows = torch.func.vmap(bnrun.Binary(seed=0))(torch.zeros(6, 500))
    assert len({tuple(row.tolist()) for row in rows}) == 6


def test_copies_and_pickles_draw_what_the_original_would():
    x, model = torch.randn(4, 5), net("gumbel_rao")
    model(x)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    expected = model(x)
    for other in copies:
        assert torch.equal(other(x), expected)


def test_autocast_leaves_bits_and_gradients_finite():
    model, x = net("reinmax"), torch.randn(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


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
