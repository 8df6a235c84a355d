"""Cleaning up removes only what this start has made, and never hides the first error."""

import shutil
from pathlib import Path

import pytest

from bnrun.run.folder import remove_unused

MISTAKE = "optimizer.lr=-1"
SENTENCE = "bnrun: optimizer.lr=-1: should be greater than 0\n"


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ([], []),
        (["outputs"], []),
        (["outputs/default"], []),
        (["outputs/default", "outputs/other"], ["name=new"]),
        ([], ["output=."]),
        ([], ["output=a/b/c"]),
        (["a/b"], ["output=a/b/c"]),
        ([], ["hydra.run.dir=."]),
        (["mine"], ["hydra.run.dir=mine"]),
        (["mine"], ["hydra.run.dir=mine/deep/er"]),
        (["mine/.hydra"], ["hydra.run.dir=mine"]),
        ([], ["hydra.job.chdir=true"]),
    ],
)
def test_what_was_there_stays_and_what_the_start_made_goes(before, words, command, tmp_path):
    for folder in before:
        (tmp_path / folder).mkdir(parents=True)
    expected = tree(tmp_path)
    assert command(*words, MISTAKE) == (1, "", SENTENCE)
    assert {path for path in tree(tmp_path) if not path.startswith("mine/.hydra/")} == expected


def test_an_error_while_cleaning_up_does_not_hide_the_first_one(command, monkeypatch, tmp_path):
    def busy(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "rmdir", busy)
    assert command(MISTAKE) == (1, "", SENTENCE)
    monkeypatch.setattr(shutil, "rmtree", busy)
    assert command(MISTAKE) == (1, "", SENTENCE)


def test_the_folder_of_a_run_that_has_left_something_stays(tmp_path):
    run = tmp_path / "study" / "run"
    (run / ".hydra").mkdir(parents=True)
    (run / "notes").touch()
    remove_unused(run, tmp_path / "study")
    assert (run / "notes").exists()
    assert (run / ".hydra").exists()
    (run / "notes").unlink()
    (run / ".lock").touch()
    remove_unused(run, tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


def test_the_working_folder_and_those_above_it_stay(tmp_path, monkeypatch):
    run = tmp_path / "study" / "run"
    run.mkdir(parents=True)
    monkeypatch.chdir(run)
    remove_unused(run, tmp_path)
    assert run.is_dir()
    monkeypatch.chdir(tmp_path)
    remove_unused(run, tmp_path)
    assert tmp_path.is_dir()
    assert not (tmp_path / "study").exists()


def test_a_link_in_an_unused_folder_is_removed_and_its_target_stays(tmp_path):
    target = tmp_path / "theirs"
    target.mkdir()
    (target / "file").touch()
    run = tmp_path / "run"
    run.mkdir()
    (run / ".hydra").symlink_to(target)
    remove_unused(run)
    assert (target / "file").exists()
