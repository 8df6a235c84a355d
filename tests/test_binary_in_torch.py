"""bnrun.Binary works with torch's checkpoints, compiler, functions, copies and autocast."""

import copy
import io
import pickle

import pytest
import torch
from binary_layers import NAMES, net
from torch import nn
from torch.utils.checkpoint import checkpoint

import bnrun


def gradients(model, x, run=None):
    model.zero_grad()
    (run or model)(x).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def restart(model):
    for module in model.modules():
        if isinstance(module, bnrun.Binary):
            module.noise_state[1] = 0


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
