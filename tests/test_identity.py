"""A run is identified by what it was computed from: config and data decide, code is reported."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bnrun.run.identity as identity
from bnrun.recording.result import read_result
from bnrun.report_cli import main as report

WORDS = ["dataset=file", "dataset.path=mine.npz", "trainer.batch_size=10"]


def save(path: Path, seed: int, **more: object) -> None:
    inputs = np.random.default_rng(seed).random((80, 5), dtype=np.float32)
    np.savez(path, train_inputs=inputs, train_targets=inputs.argmax(1), **more)


@pytest.fixture
def run(command, tmp_path):
    """A function that runs or reruns the command on mine.npz; it begins with a finished run."""

    def ran(*words):
        return command(*WORDS, *TINY, *words)

    save(tmp_path / "mine.npz", 0)
    assert ran()[0] == 0
    return ran


def result_of(folder: Path) -> Path:
    (path,) = folder.glob("outputs/s/*/result.json")
    return path


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_other_data_are_never_the_old_scores(run, tmp_path):
    before = result_of(tmp_path).read_bytes()
    save(tmp_path / "mine.npz", 1)
    status, out, err = run()
    assert (status, out) == (1, "")
    assert "has a result of other data, train_inputs, train_targets changed" in err
    assert "resume=force" in err
    assert result_of(tmp_path).read_bytes() == before
    assert run("resume=never")[0] == 1
    assert run("resume=force")[0] == 0
    assert result_of(tmp_path).read_bytes() != before
    assert "skipped, because it is done" in run()[2]


def test_a_sweep_refuses_the_job_whose_data_have_changed(run, tmp_path):
    save(tmp_path / "mine.npz", 1)
    status, _, err = run("-m", "estimator=sigmoid_st,st")
    assert status == 1
    assert "has a result of other data" in err
    assert "1 of 2 jobs cannot be run" in err
    assert run("-m", "estimator=sigmoid_st,st", "resume=force")[0] == 0


ALIKE = {
    "touched": lambda path: os.utime(path, ns=(1, 1)),
    "rewritten": lambda path: save(path, 0),
    "copied over": lambda path: (
        shutil.copy(path, f"{path}.copy"),
        Path(f"{path}.copy").replace(path),
    ),
}


@pytest.mark.parametrize("how", ALIKE)
def test_a_file_with_the_same_data_is_the_same(how, run, tmp_path):
    ALIKE[how](tmp_path / "mine.npz")
    status, _, err = run()
    assert status == 0
    assert "skipped, because it is done" in err


@pytest.mark.parametrize("words", [WORDS, ["dataset=digits"]])
def test_data_that_are_known_to_be_the_same_are_not_read(words, command, tmp_path, monkeypatch):
    save(tmp_path / "mine.npz", 0)
    assert command(*words, *TINY)[0] == 0
    monkeypatch.setattr(identity, "_hashes_now", lambda *_: pytest.fail("read"))
    status, _, err = command(*words, *TINY)
    assert status == 0
    assert "skipped, because it is done" in err


def test_a_file_of_the_same_size_and_time_is_another_one(run, tmp_path):
    path = tmp_path / "mine.npz"
    before = path.stat()
    save(path, 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert "of other data" in run()[2]


def test_the_same_words_in_another_folder_mean_another_file(run, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere"
    other.mkdir()
    save(other / "mine.npz", 1)
    folder = result_of(tmp_path).parent
    words = [*WORDS, *TINY, f"hydra.run.dir='{folder}'", f"dataset.path='{other / 'mine.npz'}'"]
    assert "dataset.path was mine.npz and is" in run(*words)[2]


def test_the_same_config_in_another_working_folder_means_another_file(run, tmp_path):
    result = read_result(result_of(tmp_path))
    other = tmp_path / "elsewhere"
    other.mkdir()
    save(other / "mine.npz", 1)
    assert identity.other_run(result["config"], result, tmp_path, {}) == ""
    assert "of other data" in identity.other_run(result["config"], result, other, {})


def test_a_hash_is_shortened_and_a_version_is_not():
    then = {"commit": "0" * 40 + "+", "versions": {"torch": "2.13.0+cu126.with_a_long_name"}}
    first, second, *_ = identity.changes_of_code(then)
    assert first.startswith("commit (000000000000 then, ")
    assert second.startswith("torch (2.13.0+cu126.with_a_long_name then, ")


def test_data_that_are_gone_are_reported_and_the_run_is_skipped(run, tmp_path):
    (tmp_path / "mine.npz").unlink()
    status, _, err = run()
    assert status == 0
    assert "whether the data are still the same is not known: dataset.path=mine.npz" in err
    assert "skipped, because it is done" in err


def test_another_config_in_the_folder_of_a_run_is_refused(run, tmp_path):
    folder = result_of(tmp_path).parent
    status, out, err = run(f"hydra.run.dir='{folder}'", "optimizer.lr=0.25", "neuron=dbn")
    assert (status, out) == (1, "")
    assert "has a result of another config" in err
    assert "optimizer.lr was 1.5 and is 0.25" in err


def test_a_dataset_without_hashes_is_known_by_its_arrays(command, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ownset.py").write_text(
        "import torch\nfrom pathlib import Path\n"
        "from bnrun.core.fields import validated\n"
        "from bnrun.data.base import Data, Dataset, Split\n\n\n"
        "@validated\nclass Own(Dataset):\n    def load(self):\n"
        "        seed = int(Path('seed').read_text())\n"
        "        inputs = torch.rand(60, 5, generator=torch.Generator().manual_seed(seed))\n"
        "        split = Split(inputs, torch.arange(60) % 3)\n"
        "        return Data('own', split, split, split, (5,), 3)\n"
    )
    (tmp_path / "my" / "dataset").mkdir(parents=True)
    (tmp_path / "my" / "dataset" / "own.yaml").write_text("_target_: ownset.Own\n")
    (tmp_path / "seed").write_text("0")
    words = ["--config-dir=my", "dataset=own", "trainer.batch_size=10", *TINY]

    def again():
        return command(*words)

    assert again()[0] == 0
    assert "skipped, because it is done" in again()[2]
    (tmp_path / "seed").write_text("1")
    status, _, err = again()
    assert status == 1
    assert "of other data, test_inputs, train_inputs, validation_inputs changed" in err


def test_other_code_and_versions_are_reported_where_a_run_is_skipped(run, tmp_path):
    path = result_of(tmp_path)
    versions = json.loads(path.read_text())["versions"]
    change(path, versions=versions | {"numpy": "0.1"}, commit="a" * 40)
    status, _, err = run()
    assert status == 0
    assert "its result was computed by other code: commit (aaaaaaaaaaaa then, " in err
    assert "numpy (0.1 then, " in err
    assert "numpy (0.1 then, " in (path.parent / "run.log").read_text()


def test_a_sweep_counts_the_jobs_that_other_code_computed(sweep, tmp_path):
    assert sweep("optimizer.lr=0.1,0.2")[0] == 0
    for path in tmp_path.glob("outputs/s/*/result.json"):
        change(path, commit="b" * 40)
    assert (
        "2 of them computed by other code: commit (bbbbbbbbbbbb then, "
        in sweep("optimizer.lr=0.1,0.2")[2]
    )


def test_verify_names_what_has_changed_of_data_config_code_and_versions(run, tmp_path, capfd):
    path = result_of(tmp_path)
    folder = path.parent
    versions = json.loads(path.read_text())["versions"]
    change(path, versions=versions | {"numpy": "0.1"}, commit="a" * 40)
    words = folder / ".hydra" / "overrides.yaml"
    words.write_text(words.read_text() + "- optimizer.lr=0.125\n")
    save(tmp_path / "mine.npz", 1)
    assert report(["verify", str(folder)]) == 1
    out = capfd.readouterr().out.replace("\n", " ")
    for change_of in (
        "the data train_inputs",
        "optimizer.lr was 1.5 and is 0.125",
        "commit (aaaaaaaaaaaa then, ",
        "numpy (0.1 then, ",
    ):
        assert change_of in out


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["receipt", "data", "own_code", "data_files", "commit"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(
                    st.sampled_from(["files", "start", "own_code"]), inner, max_size=2
                )
            ),
            max_leaves=6,
        ),
    )
)
def test_a_receipt_of_any_shape_is_read_without_an_error(values):
    result = {"config": {"dataset": {}}, "data": {"x": "y"}, "versions": {}, "commit": None}
    result |= {"receipt": values}
    assert isinstance(identity._same_files({"dataset": {}}, result, Path()), bool)
    assert isinstance(identity.changes_of_code(identity.code_of(result)), list)


def test_epochs_do_not_matter_where_a_number_of_steps_is_given(run):
    status, _, err = run("trainer.epochs=30")
    assert status == 0
    assert "skipped, because it is done" in err
