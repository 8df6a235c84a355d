"""Layers with a replica axis compute the same as torch's layers, replica by replica."""

from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bnrun.core.convolution import Convolution
from bnrun.core.initial import Init, initial_weight
from bnrun.core.layers import Activation, Affine, BatchNorm, LayerNorm, MaxPool2d
from bnrun.core.noise import stream
from bnrun.core.products import Conv2d, ConvTranspose2d, Linear, set_product_dtype
from bnrun.kernels.narrow import NARROW, narrow_product

SEEDS = [3, 7, 11]


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def normal(*shape):
    return torch.from_numpy(stream(0, "test").standard_normal(shape))


@pytest.mark.parametrize("outputs", [1, NARROW - 1, NARROW])
@pytest.mark.parametrize("leading", [(), (2,), (2, 5)])
def test_linear_equals_torch_replica_by_replica(leading, outputs):
    layer = Linear(6, outputs, SEEDS, "name", "default")
    nn.init.normal_(layer.bias)
    x = normal(*leading, 3, 8, 6)
    y = layer(x)
    for replica in range(3):
        expected = F.linear(x[..., replica, :, :], layer.weight[replica].T, layer.bias[replica, 0])
        torch.testing.assert_close(y[..., replica, :, :], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 3])
def test_first_and_second_derivatives_of_a_narrow_product_are_finite_differences(outputs):
    arguments = [normal(2, 4, 3), normal(2, 3, outputs), normal(2, 1, outputs)]
    for argument in arguments:
        argument.requires_grad_()
    assert torch.autograd.gradcheck(narrow_product, arguments)
    assert torch.autograd.gradgradcheck(narrow_product, arguments)


@pytest.mark.parametrize("examples", [1, 8])
@pytest.mark.parametrize("outputs", [NARROW - 1, NARROW])
def test_gradients_of_linear_equal_torch_replica_by_replica(outputs, examples):
    layer = Linear(6, outputs, SEEDS, "name", "default")
    x, above = normal(3, examples, 6).requires_grad_(), normal(3, examples, outputs)
    layer(x).backward(above)
    for replica in range(3):
        expected = above[replica] @ layer.weight[replica].T
        torch.testing.assert_close(x.grad[replica], expected, rtol=1e-12, atol=1e-12)
        expected = x[replica].T @ above[replica]
        torch.testing.assert_close(layer.weight.grad[replica], expected, rtol=1e-12, atol=1e-12)
        expected = above[replica].sum(0, keepdim=True)
        torch.testing.assert_close(layer.bias.grad[replica], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("outputs", [NARROW - 1, NARROW])
def test_a_gradient_of_linear_has_the_memory_layout_of_its_weight(outputs):
    """Fused optimizers read both side by side."""
    layer = Linear(6, outputs, SEEDS, "name", "default")
    layer(normal(3, 8, 6)).square().sum().backward()
    assert layer.weight.grad.stride() == layer.weight.stride()


@pytest.mark.parametrize("leading", [(), (2,), (2, 5)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolution_equals_torch_replica_by_replica(leading, kernel):
    layer = Conv2d(2, 4, kernel, SEEDS, "name", "default")
    nn.init.normal_(layer.bias)
    x = normal(*leading, 3, 6, 2, 7, 8)
    y = layer(x)
    assert y.shape == (*leading, 3, 6, 4, 7, 8)
    for replica in range(3):
        images = x[..., replica, :, :, :, :].flatten(0, -4)
        expected = F.conv2d(images, layer.weight[replica], layer.bias[replica], padding=kernel // 2)
        actual = y[..., replica, :, :, :, :].flatten(0, -4)
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def test_convolution_without_padding_equals_torch():
    layer = Conv2d(2, 4, 3, SEEDS, "name", "default", padding=0)
    x = normal(3, 6, 2, 7, 8)
    for replica in range(3):
        expected = F.conv2d(x[replica], layer.weight[replica])
        torch.testing.assert_close(layer(x)[replica], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("leading", [(), (2, 5)])
@pytest.mark.parametrize(("kernel", "stride"), [(2, 1), (4, 2)])
def test_transposed_convolution_equals_torch_replica_by_replica(leading, kernel, stride):
    layer = ConvTranspose2d(2, 4, kernel, stride, SEEDS, "name", "default")
    nn.init.normal_(layer.bias)
    x = normal(*leading, 3, 6, 2, 3, 5)
    y = layer(x)
    assert y.shape[:-2] == (*leading, 3, 6, 4)
    for replica in range(3):
        images = x[..., replica, :, :, :, :].flatten(0, -4)
        expected = F.conv_transpose2d(
            images, layer.weight[replica], layer.bias[replica], stride=stride
        )
        actual = y[..., replica, :, :, :, :].flatten(0, -4)
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


def test_convolution_takes_inputs_shared_by_all_replicas():
    layer = Conv2d(1, 4, 3, SEEDS, "name", "default")
    x = normal(6, 1, 8, 8)
    torch.testing.assert_close(
        layer(x.expand(3, 6, 1, 8, 8)), layer(x.repeat(3, 1, 1, 1, 1)), rtol=1e-12, atol=1e-12
    )


def test_layer_norm_normalises_each_example_on_its_own():
    layer = LayerNorm((4, 3, 3), SEEDS)
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    x = normal(3, 6, 4, 3, 3)
    y = layer(x)
    changed = x.clone()
    changed[:, 0] += 1 + changed[:, 0] ** 2
    torch.testing.assert_close(layer(changed)[:, 1:], y[:, 1:], rtol=0, atol=0)
    expected = F.layer_norm(x[1], (4, 3, 3)) * layer.scale[1] + layer.shift[1]
    torch.testing.assert_close(y[1], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (4, 3, 2)])
def test_batch_norm_normalises_over_the_examples_of_each_replica(shape):
    layer = BatchNorm(shape, SEEDS)
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    x = normal(2, 3, 6, *shape)
    y = layer(x)
    for sample in range(2):
        for replica in range(3):
            expected = F.batch_norm(
                x[sample, replica],
                None,
                None,
                layer.scale[replica].flatten(),
                layer.shift[replica].flatten(),
                training=True,
            )
            torch.testing.assert_close(y[sample, replica], expected, rtol=1e-12, atol=1e-12)


def test_affine_scales_and_shifts_without_normalising():
    layer = Affine((4, 3, 2), SEEDS)
    x = normal(3, 6, 4, 3, 2)
    assert torch.equal(layer(x), x)
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    scale, shift = layer.scale[1, 0, 2], layer.shift[1, 0, 2]
    torch.testing.assert_close(layer(x)[1, :, 2], x[1, :, 2] * scale + shift)


def test_max_pool_may_keep_the_last_odd_row_and_column():
    x = torch.arange(9.0).view(1, 1, 1, 3, 3)
    assert MaxPool2d(2)(x).flatten().tolist() == [4]
    assert MaxPool2d(2, whole=True)(x).flatten().tolist() == [4, 5, 7, 8]


@pytest.mark.parametrize("leading", [(), (2, 5)])
@pytest.mark.parametrize("size", [(6, 8), (7, 9)])
@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("normed", [True, False])
def test_a_convolution_with_pool_and_norm_equals_its_parts_in_all_derivatives(
    leading, size, pooled, normed
):
    conv = Conv2d(2, 4, 3, SEEDS, "name", "default")
    nn.init.normal_(conv.bias)
    sides = [side // 2 * (1 if pooled else 2) for side in size]
    norm = LayerNorm((4, *sides), SEEDS) if normed else None
    if norm is not None:
        nn.init.normal_(norm.scale)
        nn.init.normal_(norm.shift)
    block = Convolution(conv, pooled, norm)
    x = normal(*leading, 3, 6, 2, *size).requires_grad_()
    images = conv(x)
    if pooled:
        images = F.max_pool2d(images.flatten(0, -4), 2).view(*leading, 3, 6, 4, *sides)
    expected = images[..., : sides[0], : sides[1]]
    expected = expected if norm is None else norm(expected)
    actual = block(x)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(expected)
    of = (x, *block.parameters())
    gradients = torch.autograd.grad((actual * weights).sum(), of)
    for one, other in zip(
        gradients, torch.autograd.grad((expected * weights).sum(), of), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_convolution_whose_products_are_bfloat16_has_pool_and_norm_in_float32():
    torch.manual_seed(0)
    conv = Conv2d(2, 4, 3, SEEDS, "name", "default").float()
    block = Convolution(conv, True, LayerNorm((4, 3, 4), SEEDS).float())
    x = torch.randn(3, 6, 2, 6, 8, dtype=torch.float32)
    exact = block(x)
    conv.product_dtype = torch.bfloat16
    rounded = block(x)
    assert rounded.dtype == torch.float32
    assert not rounded.equal(exact)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.1)


def test_max_pool_of_even_images_is_that_of_torch_with_ties_and_in_all_derivatives():
    # Few values, so that most windows have their maximum twice or more.
    x = torch.randint(3, (2, 3, 5, 4, 6, 8), dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 5, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    pooled = MaxPool2d(2)(x)
    (gradient,) = torch.autograd.grad(pooled, x, weights, create_graph=True)
    expected = torch.nn.functional.max_pool2d(x.flatten(0, -4), 2).view(pooled.shape)
    assert pooled.equal(expected)
    assert gradient.equal(torch.autograd.grad(expected, x, weights)[0])
    # The gradient is linear in the weights.
    other = torch.randn_like(x)
    (second,) = torch.autograd.grad(gradient, weights, other)
    assert torch.allclose((second * weights).sum(), (gradient * other).sum())


def test_max_pool_takes_the_largest_of_each_window():
    x = torch.arange(16.0).view(1, 1, 1, 4, 4)
    assert MaxPool2d(2)(x).flatten().tolist() == [5, 7, 13, 15]


@pytest.mark.parametrize("init", get_args(Init))
def test_initial_weights_depend_on_seed_and_name_only(init):
    all_seeds = initial_weight((4, 6), SEEDS, "first", init)
    assert torch.equal(all_seeds[1:2], initial_weight((4, 6), [7], "first", init))
    assert not torch.equal(all_seeds[0], all_seeds[1])
    assert not torch.equal(all_seeds, initial_weight((4, 6), SEEDS, "second", init))


def test_initial_scales_are_those_of_torch():
    default = initial_weight((400, 100), [0], "name", "default")
    assert default.abs().max() <= 0.1
    assert default.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert initial_weight((400, 100), [0], "name", "normal").std().item() == pytest.approx(
        0.02, rel=0.02
    )
    truncated = initial_weight((400, 100), [0], "name", "trunc_normal")
    assert 0.0399 < truncated.abs().max() <= 0.04
    # A normal truncated at two standard deviations has .880 of its standard deviation.
    assert truncated.std().item() == pytest.approx(0.02 * 0.880, rel=0.02)
    kaiming = initial_weight((400, 100), [0], "name", "kaiming_normal")
    assert kaiming.std().item() == pytest.approx((2 / 100) ** 0.5, rel=0.02)


@pytest.mark.parametrize("outputs", [10, 30])
def test_products_in_bfloat16_round_only_the_factors(outputs) -> None:
    torch.set_default_dtype(torch.float32)
    net = nn.Sequential(Linear(40, outputs, [0, 1], "one", "default"), Activation("tanh"))
    x = torch.rand(2, 7, 40, generator=torch.Generator().manual_seed(0))
    exact = net(x)
    set_product_dtype(net, torch.bfloat16)
    actual = net(x)
    assert actual.dtype == torch.float32
    rounded = torch.bmm(x.bfloat16().double(), net[0].weight.bfloat16().double())
    # The sum is returned with eight bits: a relative error of at most 2^-8.
    assert torch.allclose(actual.double(), torch.tanh(rounded), atol=2**-8)
    assert not torch.equal(actual, exact)
    actual.sum().backward()
    assert net[0].weight.grad.dtype == net[0].weight.dtype == torch.float32
