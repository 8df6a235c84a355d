"""Data are checked where they enter, whatever brought them: a wrong number never comes silently."""

import io
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from configured import built

from bnrun.data import checks
from bnrun.data.arrays import ArrayFile
from bnrun.data.base import Data, Dataset, Split, as_data
from bnrun.data.errors import DataError
from bnrun.tasks.classification import Classification
from bnrun.tasks.structured_prediction import StructuredPrediction
from bnrun.training.device import move

SPLITS = ("train", "validation", "test")


def split(count=40, shape=(1, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Split(torch.rand(count, *shape, generator=generator), torch.arange(count) % 4)


def data(shape=(1, 8, 8), classes=4, **changed):
    splits = {name: split(shape=shape, seed=seed) for seed, name in enumerate(SPLITS)}
    return Data("mine", **{**splits, **changed}, shape=shape, classes=classes)


def refusal(function, *arguments, **options):
    with pytest.raises(DataError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_value(values, index, value):
    values = values.clone()
    values[index] = value
    return values


def test_good_data_pass():
    assert tuple(data().splits) == SPLITS


X, Y = split()
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


def test_all_built_in_data_pass_again_after_every_task():
    for words in (
        ["model=mlp"],
        ["task=vae", "model=vae"],
        ["task=structured_prediction"],
        ["task=autoencoder", "model=autoencoder"],
        ["task=gan", "model=generator_mlp", "task.judge_steps=1"],
        ["task=toy", "model=bits", "dataset=blank"],
    ):
        checks.check_data(built([*words, "seeds=1"]).data)


class Changing(Classification):
    """A task that spoils the data in place, and returns the same object."""

    def prepared(self, data):
        data.test.inputs.mul_(255)
        return data


def test_data_are_checked_again_after_a_task_has_prepared_them():
    prepared = Changing().prepared(data())
    assert "scale all splits alike" in refusal(move, prepared, torch.device("cpu"))


@pytest.mark.parametrize("value", [(X, Y), None, {"train": 1}, X])
def test_something_else_in_place_of_data_is_refused(value):
    message = refusal(as_data, value, "dataset Mine.load")
    name = type(value).__name__
    assert message == (
        f"dataset Mine.load returned a {name}, but must return a bnrun.data.base.Data"
    )


def test_a_dataset_or_task_that_returns_something_else_is_named(monkeypatch):
    from bnrun.data.digits import Digits

    with monkeypatch.context() as patch:
        patch.setattr(Digits, "load", lambda self: (X, Y))
        assert "dataset Digits.load returned a tuple" in refusal(built, [])
    monkeypatch.setattr(Classification, "prepared", lambda self, data: None)
    assert "task Classification.prepared returned a NoneType" in refusal(built, [])
    assert issubclass(Digits, Dataset)


def test_a_classification_needs_examples_of_two_classes():
    ones = Split(X, torch.ones_like(Y))
    task = Classification()
    assert "task=classification needs a class for each example" in refusal(
        task.prepared, data(classes=0)
    )
    message = refusal(task.prepared, data(train=ones))
    assert "every one of dataset=mine's train_targets is 1: there is nothing to learn" in message
    assert task.prepared(data(test=ones)).classes == 4


@pytest.mark.parametrize("name", SPLITS)
def test_pixels_outside_0_to_1_are_refused_where_they_are_probabilities(name):
    wrong = data(**{name: Split(with_value(X, (0, 0, 0, 0), -0.5), Y)})
    message = refusal(StructuredPrediction().prepared, wrong)
    assert f"dataset=mine has {name}_inputs in -0.5 .. " in message
    run = built(["task=vae", "model=vae", "seeds=1"])
    model = run.model
    with pytest.raises(DataError, match=rf"task=vae uses pixels.*{name}_inputs in -0.5 .. "):
        run.task.begin(model, wrong, [0])


@pytest.mark.parametrize("name", SPLITS)
def test_a_gan_needs_dark_and_bright_pixels_and_neighbours_in_every_split(name):
    task = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"]).task
    wrong = data(**{name: Split(0.7 * X + 0.3, Y)})
    expected = f"every pixel of dataset=mine's {name}_inputs is above it"
    assert expected in refusal(replace(task, threshold=0.25).prepared, wrong)
    wrong = data(**{name: Split(0.75 * X, Y)})
    expected = f"every pixel of dataset=mine's {name}_inputs is at or below it"
    assert expected in refusal(replace(task, threshold=0.8).prepared, wrong)
    few = data(**{name: Split(*(part[:4] for part in split()))})
    message = refusal(replace(task, threshold=0.5, neighbours=4).prepared, few)
    assert "task.neighbours=4 needs more images than that" in message
    assert f"{name} has 4" in message


# Files.


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


A = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
T = np.arange(200) % 10


def loading(path, **options):
    return refusal(ArrayFile(path=path, **options).load)


@pytest.mark.parametrize("largest", [0, 1, 16, 100, 127])
@pytest.mark.parametrize("name", ["train", "test"])
def test_bytes_that_do_not_reach_128_are_refused(tmp_path, largest, name):
    arrays = {"train_inputs": A, "train_targets": T, "test_inputs": A, "test_targets": T}
    arrays[f"{name}_inputs"] = (A % (largest + 1)).astype(np.uint8)
    path = saved(tmp_path / "mine.npz", **arrays)
    message = loading(path)
    assert f"{path}: {name}_inputs is uint8 with values up to {largest}, but uint8 is" in message
    assert "save bits as bool" in message


def test_labels_from_1_are_refused_unless_the_empty_class_is_meant(tmp_path):
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=T % 5 + 1)
    message = loading(path)
    assert "train_targets has no example of class 0, but targets up to 5" in message
    assert "or set dataset.classes=6 if the class is meant to be empty" in message
    assert ArrayFile(path=path, classes=6).load().classes == 6
    assert "train_targets[4] is 5, but targets must be within 0 .. 4" in loading(path, classes=5)


def test_a_gap_between_classes_is_refused(tmp_path):
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=np.where(T == 7, 8, T))
    assert "train_targets has no example of class 7, but targets up to 9" in loading(path)


@pytest.mark.parametrize("value", [10**12, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_huge_target_is_named(tmp_path, value):
    targets = T.astype(np.uint64)
    targets[17] = value
    path = saved(tmp_path / "mine.npz", train_inputs=A, train_targets=targets)
    assert f"{path}: train_targets[17] is {value}, " in loading(path)
    message = loading(path, classes=10)
    assert f"train_targets[17] is {value}" in message


def test_channels_last_are_refused(tmp_path):
    images = np.repeat(A[..., None], 3, -1)
    path = saved(tmp_path / "mine.npz", train_inputs=images, train_targets=T)
    message = loading(path)
    assert "train_inputs has examples of shape (8, 8, 3), which looks like" in message
    assert "put channels first" in message
    path = saved(tmp_path / "mine.npz", train_inputs=images.transpose(0, 3, 1, 2), train_targets=T)
    assert ArrayFile(path=path).load().shape == (3, 8, 8)


def damaged(member):
    """A .npz file whose train_inputs is these bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, train_targets=T)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("train_inputs.npy", member)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


BROKEN = {
    "open bracket": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200, 8, 8"),
    "open string": npy("{'descr': '|u1"),
    "nested": npy("(" * 110),
    "no dictionary": npy("3"),
    "unknown type": npy("{'descr': '|zz9', 'fortran_order': False, 'shape': (2,), }"),
    "negative shape": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", b"12"),
    "truncated": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (200, 8, 8), }", b"1234"),
    "enormous": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }", b"1"),
    "too long": npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", b"1234"),
    "later version": b"\x93NUMPY\x07\x00" + bytes(20),
    "no array": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_array_is_named_with_its_file(tmp_path, case):
    path = tmp_path / "mine.npz"
    path.write_bytes(damaged(BROKEN[case]))
    message = loading(path)
    assert message.startswith(f"{path}: train_inputs cannot be read: ")
    if case in ("truncated", "enormous", "too long"):
        assert "its header describes shape (" in message


def test_torch_tensors_that_are_no_plain_numbers_are_named(tmp_path):
    path = tmp_path / "mine.pt"
    torch.save({"train_inputs": torch.eye(5).to_sparse(), "train_targets": torch.arange(5)}, path)
    assert f"{path}: train_inputs must be a dense tensor" in loading(path)
