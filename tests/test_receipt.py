"""What is kept of the code, the machine and the command, so that a run can be rerun."""

import hashlib
import importlib
import subprocess
from pathlib import Path

import pytest
import torch
from runs import bnrun

from bnrun.recording.result import RESULT, read_result
from bnrun.run.receipt import receipt
from bnrun.run.source import PATCH, _package_changes, changes, commit, is_tracked, own_code

SMALL = ("trainer.steps=2", "seeds=1", "model.hidden=[4]")


def git(folder: Path, *words: str) -> None:
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *person, *words], check=True, capture_output=True)


def checkout(folder: Path) -> None:
    folder.mkdir()
    git(folder, "init")
    (folder / "a.py").write_text("1\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")


def test_changes_are_edits_and_new_files_and_nothing_else(tmp_path: Path) -> None:
    assert changes(tmp_path) is None
    home = tmp_path / "home"
    checkout(home)
    assert changes(home) == b""
    (home / "ignored").write_text("x")
    assert changes(home) == b""
    (home / "a.py").write_text("2\n")
    edited = changes(home)
    (home / "b.py").write_text("3\n")
    added = changes(home)
    (home / "b.py").write_text("4\n")
    assert len({b"", edited, added, changes(home)}) == 4
    (home / "b.py").unlink()
    assert changes(home) == edited


def test_without_git_there_is_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    checkout(home)
    assert is_tracked(home)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_tracked(home)
    assert changes(home) is None


def test_commit_and_patch_give_the_code_back(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    checkout(home)
    subprocess.run(["git", "clone", "-q", str(home), str(copy)], check=True)
    (home / "a.py").unlink()
    (home / "new").mkdir()
    (home / "new" / "b.py").write_text("an own estimator\n")
    (home / "new" / "bits").write_bytes(bytes(range(256)))
    # Settings of a user that would make the patch another one.
    git(home, "config", "diff.noprefix", "true")
    git(home, "config", "color.ui", "always")
    patch = changes(home)
    assert patch is not None
    (tmp_path / PATCH).write_bytes(patch)
    git(copy, "apply", str(tmp_path / PATCH))
    assert not (copy / "a.py").exists()
    for name in ("new/b.py", "new/bits"):
        assert (copy / name).read_bytes() == (home / name).read_bytes()


def test_a_large_new_file_is_named_by_its_hash_without_its_content(tmp_path: Path) -> None:
    home = tmp_path / "home"
    checkout(home)
    content = bytes(2**20 + 1)
    (home / "data.npz").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert changes(home) == f"left out, too large: data.npz, sha256 {digest}\n".encode()
    (home / "data.npz").write_bytes(content[:-1])
    patch = changes(home)
    assert patch is not None
    assert b"left out" not in patch
    assert b"b/data.npz" in patch


@pytest.mark.parametrize(
    ("patch", "changes"), [(b"diff", hashlib.sha256(b"diff").hexdigest()), (b"", ""), (None, None)]
)
def test_the_patch_lies_in_the_folder_of_a_run_and_its_hash_in_the_receipt(
    patch: bytes | None, changes: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnrun.run.source._package_changes", lambda: patch)
    folder = bnrun(tmp_path, *SMALL)
    assert read_result(folder / RESULT)["receipt"]["changes"] == changes  # type: ignore[typeddict-item]  # an extra key
    if patch:
        assert (folder / PATCH).read_bytes() == patch
    else:
        assert not (folder / PATCH).exists()


def test_a_receipt_is_of_the_code_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = iter([b"at the start", b"while it ran"])
    _package_changes.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr("bnrun.run.source.changes", lambda folder: next(came))
        folder = bnrun(tmp_path, *SMALL)
    _package_changes.cache_clear()
    kept = read_result(folder / RESULT)["receipt"]  # type: ignore[typeddict-item]  # an extra key
    assert kept["changes"] == hashlib.sha256(b"at the start").hexdigest()
    assert (folder / PATCH).read_bytes() == b"at the start"


def test_a_receipt_names_command_and_machine() -> None:
    kept = receipt()
    assert kept["command"]
    assert kept["hardware"]["threads"] == torch.get_num_threads()
    assert kept["hardware"]["cores"] >= 1
    assert kept["torch"].keys() == {"cuda", "vector_instructions", "mkl"}


def test_own_code_is_that_of_the_targets_which_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine_for_the_receipt.py"
    path.write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(path.stem)
    config = {
        "estimator": {"_target_": "mine_for_the_receipt.Mine"},
        "optimizer": {"_target_": "torch.optim.SGD"},
        "layers": [{"_target_": "bnrun.core.noise.Noise"}, {"_target_": "never_imported.Mine"}],
    }
    assert own_code(config) == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


SECRETS = (
    *(".env", ".env.local", "prod.env", "server.pem", "TLS.KEY", "id_rsa", "id_ed25519.pub"),
    *("credentials", "aws_credentials.json", "my_token.txt", "Secrets.yaml", "password.txt"),
    *(
        ".netrc",
        ".pypirc",
        ".git-credentials",
        "deep/er/.env",
        ".ssh/config",
        "a.service-account.json",
    ),
)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("known", [False, True], ids=["new", "tracked"])
def test_a_file_named_like_a_secret_is_left_out_and_reported(
    name: str, known: bool, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    checkout(home)
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if known:
        path.write_text("old\n")
        git(home, "add", "-f", ".")
        git(home, "commit", "-m", "second")
    path.write_text("hunter2\n")
    (home / "b.py").write_text("3\n")
    patch = changes(home)
    assert patch is not None
    assert b"hunter2" not in patch
    assert f"left out, named like a secret: {name}\n".encode() in patch
    assert b"b.py" in patch


def test_a_link_is_not_followed_into_the_patch(tmp_path: Path) -> None:
    home = tmp_path / "home"
    checkout(home)
    (tmp_path / "theirs").write_text("hunter2\n")
    (home / "link.py").symlink_to(tmp_path / "theirs")
    assert changes(home) == b"left out, not a regular file: link.py\n"


@pytest.mark.parametrize("ignored", [False, True])
def test_a_package_inside_somebody_elses_repository_has_no_commit(
    ignored: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    checkout(home)
    package = home / ".venv" / "site-packages" / "bnrun"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("1\n")
    (home / "a.py").write_text("their unfinished work\n")
    if ignored:
        (home / ".gitignore").write_text(".venv\n")
    assert changes(package) is None
    assert not is_tracked(package)
    monkeypatch.setattr("bnrun.run.source._HOME", package)
    commit.cache_clear()
    assert commit() is None
    commit.cache_clear()


def test_the_repository_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    checkout(home)
    checkout(other)
    (other / "a.py").write_text("2\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert changes(home) == b""
    plain = tmp_path / "plain"
    plain.mkdir()
    assert changes(plain) is None


def test_a_foreign_repository_starts_no_program(tmp_path: Path) -> None:
    home = tmp_path / "home"
    checkout(home)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external"):
        git(home, "config", key, str(script))
    (home / "a.py").write_text("2\n")
    changes(home)
    assert not (tmp_path / "ran").exists()
