"""Arrays in any file of the user's are a dataset, or are refused in a sentence."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from bnrun.data.arrays import ArrayFile
from bnrun.data.errors import DataError


def arrays(count: int = 40, shape: tuple[int, ...] = (5,), start: str = "train") -> dict:
    generator = np.random.default_rng(1)
    return {
        f"{start}_inputs": generator.random((count, *shape), dtype=np.float32),
        f"{start}_targets": np.arange(count) % 4,
    }


@pytest.fixture
def saved(tmp_path):
    """Saves arrays as .npz or .pt; returns the path."""

    def save(contents: dict, suffix: str = ".npz") -> Path:
        path = tmp_path / f"mine{suffix}"
        if suffix == ".npz":
            np.savez(path, **contents)
        else:
            torch.save({key: torch.from_numpy(value) for key, value in contents.items()}, path)
        return path

    return save


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        ArrayFile(path=path, **options).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".pth"])
def test_given_splits_are_read_exactly(saved, suffix):
    contents = arrays() | arrays(8, start="validation") | arrays(4, start="test")
    data = ArrayFile(path=saved(contents, suffix)).load()
    for name, split in (
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        np.testing.assert_array_equal(split.inputs.numpy(), contents[f"{name}_inputs"])
        np.testing.assert_array_equal(split.targets.numpy(), contents[f"{name}_targets"])
    assert data.name == "mine"
    assert data.shape == (5,)
    assert data.classes == 4
    assert sorted(data.hashes) == sorted(contents)


def test_missing_splits_are_held_out_of_training_by_the_seed_alone(saved):
    path = saved(arrays(40))
    options = {"validation_fraction": 0.2, "test_fraction": 0.1}
    data = ArrayFile(path=path, **options).load()
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [28, 8, 4]
    assert torch.bincount(data.validation.targets).tolist() == [2, 2, 2, 2]
    everything = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs])
    assert sorted(everything[:, 0].tolist()) == sorted(arrays(40)["train_inputs"][:, 0].tolist())

    same = ArrayFile(path=path, **options).load()
    other = ArrayFile(path=path, split_seed=1, **options).load()
    assert torch.equal(data.train.inputs, same.train.inputs)
    assert not torch.equal(data.test.inputs, other.test.inputs)


def test_inputs_stay_with_their_targets_in_held_out_splits(saved):
    contents = arrays(40)
    contents["train_inputs"][:, 0] = contents["train_targets"]
    data = ArrayFile(path=saved(contents)).load()
    for split in (data.train, data.validation, data.test):
        assert torch.equal(split.inputs[:, 0].long(), split.targets)


def test_a_given_test_split_is_kept_and_only_validation_is_held_out(saved):
    data = ArrayFile(path=saved(arrays(40) | arrays(6, start="test"))).load()
    assert [len(split.targets) for split in (data.train, data.validation, data.test)] == [36, 4, 6]


def test_bytes_are_scaled_to_one_and_grey_images_get_a_channel(saved):
    contents = arrays(40, (3, 2))
    contents["train_inputs"] = np.full((40, 3, 2), 255, np.uint8)
    contents["train_inputs"][:, 0] = 51
    data = ArrayFile(path=saved(contents)).load()
    assert data.shape == (1, 3, 2)
    assert data.train.inputs.dtype == torch.float32
    assert data.train.inputs[0, 0].tolist() == [[pytest.approx(0.2)] * 2, [1, 1], [1, 1]]


@pytest.mark.parametrize("kind", [np.float64, np.float16, bool])
def test_floats_and_booleans_are_used_unchanged(saved, kind):
    contents = arrays()
    contents["train_inputs"] = (contents["train_inputs"] > 0.5).astype(kind)
    data = ArrayFile(path=saved(contents)).load()
    assert data.train.inputs.dtype == torch.float32
    assert set(data.train.inputs.unique().tolist()) == {0, 1}


def test_bfloat16_tensors_are_read(tmp_path):
    torch.save(
        {
            "train_inputs": torch.ones(20, 2, dtype=torch.bfloat16),
            "train_targets": torch.arange(20),
        },
        tmp_path / "mine.pt",
    )
    assert (ArrayFile(path=tmp_path / "mine.pt").load().train.inputs == 1).all()


def test_there_may_be_more_classes_than_in_the_training_targets(saved):
    contents = arrays() | arrays(8, start="test")
    contents["test_targets"][0] = 6
    assert "test_targets[0] is 6, but targets must be within 0 .. 3" in refusal(saved(contents))
    assert ArrayFile(path=saved(contents), classes=7).load().classes == 7


def changed(**others: np.ndarray) -> dict:
    return {**arrays(), **others}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (changed(train_targets=np.zeros(39, np.int64)), "train_targets (39,), but they must have"),
        (changed(train_targets=np.zeros((40, 1), np.int64)), "train_targets (40, 1), but they"),
        (changed(train_inputs=np.zeros(40)), "train_inputs has shape (40,)"),
        (changed(train_inputs=np.zeros((40, 0))), "train_inputs is empty, shape (40, 0)"),
        (arrays(0), "train_inputs is empty, shape (0, 5)"),
        (changed(train_targets=np.zeros(40)), "train_targets is float64, but must be integers"),
        (
            changed(train_targets=np.zeros(40, bool)),
            "train_targets is bool, but must be integers",
        ),
        (
            changed(train_targets=np.arange(40) - 1),
            "train_targets[0] is -1, but targets must be within 0 .. 38",
        ),
        (changed(train_inputs=np.zeros((40, 2), np.int32)), "train_inputs is int32, but must be"),
        (
            changed(train_inputs=np.full((40, 2), np.nan)),
            "train_inputs[0, 0] is nan, which is not finite",
        ),
        (changed(train_inputs=np.full((40, 2), 1e300)), "train_inputs[0, 0] is inf, which is not"),
        (
            arrays() | arrays(5, (4,), start="test"),
            "test_inputs has shape (4,), one of train_inputs",
        ),
        (changed(test_inputs=np.zeros((4, 5))), "has no test_targets: add what is missing"),
        (arrays(start="test"), "has no train_inputs and no train_targets"),
        (
            changed(x=np.zeros(3)),
            "has the arrays x, but may only have train_inputs, train_targets, validation_",
        ),
        (
            arrays(3),
            "3 training examples, too few for dataset.validation_fraction=0.1, dataset.test",
        ),
    ],
)
def test_wrong_arrays_are_refused_in_a_sentence_that_names_them(saved, contents, message):
    path = saved(contents)
    refused = refusal(path)
    assert message in refused
    assert str(path) in refused


def test_fractions_that_leave_nothing_are_refused(saved):
    message = refusal(saved(arrays()), validation_fraction=0.5, test_fraction=0.5)
    assert "too few for dataset.validation_fraction=0.5, dataset.test_fraction=0.5" in message


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fractions_outside_0_to_1_are_refused_by_name(saved, fraction):
    with pytest.raises(ValueError, match="test_fraction"):
        ArrayFile(path=saved(arrays()), test_fraction=fraction)


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "went off")


def test_nothing_is_ever_unpickled(tmp_path):
    bomb, trace = Bomb(tmp_path / "trace"), tmp_path / "trace"
    contents = {**arrays(), "train_inputs": np.array([bomb] * 40, dtype=object)}
    np.savez(tmp_path / "object.npz", **contents)
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(bomb))
    torch.save({"train_inputs": bomb}, tmp_path / "object.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(bomb))
    for name in ("object.npz", "raw.npz", "object.pt", "raw.pt"):
        message = refusal(tmp_path / name)
        assert f"{name} cannot be read: it must hold " in message
        assert "without Python objects" in message
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_broken_files_are_refused(saved, suffix, content):
    path = saved(arrays(), suffix)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    assert f"{path} cannot be read: it must hold " in refusal(path)


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert "must hold arrays saved by numpy.savez" in refusal(tmp_path / "one.npz")
    torch.save(torch.zeros(3), tmp_path / "one.pt")
    assert "holds a Tensor, but must hold a dictionary" in refusal(tmp_path / "one.pt")
    torch.save({"train_inputs": [1]}, tmp_path / "list.pt")
    assert "train_inputs must be tensors" in refusal(tmp_path / "list.pt")


def test_missing_file_and_unknown_ending_are_refused(tmp_path):
    assert f"dataset.path={tmp_path}/a.npz is not a file" in refusal(tmp_path / "a.npz")
    (tmp_path / "a.csv").write_text("1,2")
    assert "a.csv must end in .npz, .pt, .pth" in refusal(tmp_path / "a.csv")
