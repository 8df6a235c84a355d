"""Data are checked where they enter, whatever brought them: a wrong number never comes silently."""

import numpy as np
import pytest
import torch
from made_up_data import SPLITS, X, Y, data, refusal, with_value

from bnrun.data.base import Data, Split


def test_good_data_pass():
    assert tuple(data().splits) == SPLITS


WRONG = {
    "numpy inputs": (Split(X.numpy(), Y), "test_inputs is a ndarray, but must be a tensor"),
    "numpy targets": (Split(X, Y.numpy()), "test_targets is a ndarray, but must be a tensor"),
    "lists": (Split(X, Y.tolist()), "test_targets is a list, but must be a tensor: use torch.as_"),
    "tuple": ((X, Y), "test is a tuple, but must be a bnrun.data.base.Split"),
    "None": (None, "test is a NoneType, but must be a bnrun.data.base.Split"),
    "int32 targets": (Split(X, Y.int()), "test_targets is torch.int32 of shape (40,), but must"),
    "uint8 targets": (Split(X, Y.byte()), "test_targets is torch.uint8 of shape (40,), but must"),
    "float targets": (Split(X, Y.float()), "use targets.long()"),
    "bool targets": (Split(X, Y > 1), "test_targets is torch.bool"),
    "one-hot targets": (
        Split(X, torch.nn.functional.one_hot(Y)),
        "test_targets is torch.int64 of shape (40, 4), but must hold one class per example",
    ),
    "column": (Split(X, Y[:, None]), "of shape (40, 1), but must hold one class"),
    "bytes": (Split((X * 255).byte(), Y), "test_inputs is torch.uint8, but must be floats: use"),
    "integers": (Split((X * 255).long(), Y), "test_inputs is torch.int64, but must be floats"),
    "complex": (Split(X.to(torch.complex64), Y), "test_inputs is torch.complex64, but must be"),
    "sparse": (Split(X.flatten(1).to_sparse(), Y), "test_inputs must be a dense tensor"),
    "meta": (Split(X.to("meta"), Y), "test_inputs must be a dense tensor"),
    "scalar": (Split(X, torch.tensor(3)), "test_targets must be a dense tensor with one row"),
    "gradient": (Split(X.clone().requires_grad_(), Y), "test_inputs has requires_grad=True"),
    "length": (Split(X, Y[:39]), "test_inputs has 40 examples and test_targets 39: there must"),
    "empty": (Split(X[:0], Y[:0]), "test_inputs has 0 examples and test_targets 0: there must"),
    "shape": (Split(X[..., :7], Y), "test_inputs has shape (1, 8, 7), but the dataset's shape is"),
    "channel": (Split(X[:, 0], Y), "test_inputs has shape (8, 8), but the dataset's shape is"),
    "NaN": (
        Split(with_value(X, (7, 0, 2, 3), torch.nan), Y),
        "test_inputs[7, 0, 2, 3] is nan, which is not finite",
    ),
    "infinity": (
        Split(with_value(X, (39, 0, 7, 7), -torch.inf), Y),
        "test_inputs[39, 0, 7, 7] is -inf, which is not finite",
    ),
    "too large for float32": (
        Split(with_value(X.double(), (1, 0, 0, 0), 1e300), Y),
        "test_inputs[1, 0, 0, 0] is 1e+300, which is not finite in torch.float32",
    ),
    "from 1": (Split(X, Y + 1), "test_targets[3] is 4, but targets must be within 0 .. 3 for 4"),
    "from -1": (Split(X, Y - 1), "test_targets[0] is -1, but targets must be within 0 .. 3"),
    "10**12": (
        Split(X, with_value(Y, 5, 10**12)),
        "test_targets[5] is 1000000000000, but targets must be within 0 .. 3",
    ),
    "2**62": (Split(X, with_value(Y, 39, 2**62)), f"test_targets[39] is {2**62}, but targets"),
    "bytes as floats": (Split(X * 255, Y), "scale all splits alike"),
    "thousandths": (Split(X / 1000, Y), "scale all splits alike"),
    "standardised": (Split((X - X.mean()) / X.std(), Y), "test_inputs lie outside the range of"),
    "signed": (Split(2 * X - 1, Y), "lie outside the range of train_inputs"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("name", SPLITS)
def test_every_wrong_split_is_refused_and_named(case, name):
    wrong, message = WRONG[case]
    refused = refusal(data, **{name: wrong})
    if name == "train":  # It sets what the others are compared with, so they may be named.
        assert refused.startswith("dataset=mine: ")
        assert "train" in refused
    else:
        assert message.replace("test", name) in refused or "alike" in message
        assert name in refused


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 8), "shape is (8, 8), but must be the tuple (features,), or (channels, height, width"),
        ((), "shape is (), but must be the tuple"),
        ((1, 1, 8, 8), "shape is (1, 1, 8, 8), but must be"),
        ([1, 8, 8], "shape is [1, 8, 8], but must be the tuple"),
        (64, "shape is 64, but must be the tuple"),
        ((0,), "shape is (0,), but must be"),
        ((8, 8, 3), "which looks like (height, width, channels): put channels first"),
        ((28, 28, 1), "put channels first"),
    ],
)
def test_a_wrong_shape_is_refused(shape, message):
    values = Split(torch.zeros(4, *(shape if isinstance(shape, tuple) else (8,))), torch.arange(4))
    splits = dict.fromkeys(SPLITS, values)
    assert message in refusal(Data, "mine", **splits, shape=shape, classes=4)


def test_integers_of_any_kind_are_accepted():
    values = Split(torch.rand(4, 6), torch.arange(4))
    splits = dict.fromkeys(SPLITS, values)
    Data("mine", **splits, shape=values.inputs.shape[1:], classes=np.int64(4))
    Data("mine", **splits, shape=(np.int32(6),), classes=4)


@pytest.mark.parametrize("classes", [-1, 2.0, True, None, "4"])
def test_a_wrong_number_of_classes_is_refused(classes):
    assert f"classes is {classes!r}, but must be the number of" in refusal(data, classes=classes)


def test_targets_without_classes_may_have_any_shape_and_type_but_must_be_finite():
    for targets in (torch.zeros(40), torch.rand(40, 3, 2), torch.ones(40, dtype=torch.int32)):
        data(classes=0, **dict.fromkeys(SPLITS, Split(X, targets)))
    wrong = Split(X, with_value(torch.rand(40, 3), (2, 1), torch.nan))
    assert "train_targets[2, 1] is nan" in refusal(data, classes=0, train=wrong)


@pytest.mark.parametrize("scale", [1, 0.1, 10, 1e6])
def test_splits_of_one_distribution_are_of_one_scale(scale):
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 5, 31, 32, 300):
        for heavy in (1, 3) if count > 5 else (1,):
            samples = [torch.randn(count, 6, generator=generator) ** heavy for _ in SPLITS]
            # Features of very different sizes, one of them mostly zero.
            samples = [scale * s * torch.tensor([1, 1e3, 1e-3, 1, 1, 1]) for s in samples]
            for sample in samples:
                sample[1:, 3] = 0
            splits = {
                n: Split(s, torch.arange(count) % 4) for n, s in zip(SPLITS, samples, strict=True)
            }
            data(shape=(6,), **splits)


def test_one_wild_example_is_not_another_scale():
    data(test=Split(with_value(X, (3,), 1e6), Y))
