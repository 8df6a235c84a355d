"""The code of a run: its commit, what differs from it, and the user's own files."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PATCH = "changes.patch"
"""File of a run whose code differed from its commit: the commit and this patch are the code."""

SECRET = (
    *("*.env", ".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("*.ppk", "*.asc", "*.gpg", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*credential*"),
    *("*secret*", "*token*", "*password*", "*passwd*", "*apikey*", "*api_key*", ".netrc", "_netrc"),
    *(
        ".npmrc",
        ".pypirc",
        ".htpasswd",
        ".git-credentials",
        "kubeconfig*",
        "*service*account*.json",
    ),
    *(".ssh/**", ".aws/**", ".gnupg/**", ".kube/**"),
)
"""Names of files, in any folder and in any case, that must not be copied into a run's folder."""

MODULE = "bnrun.models.module.Module"
"""A `_target_` whose key `target` is one as well."""

_LARGE = 2**20
"""Bytes above which the patch names a new file without its content."""

_HOME = Path(__file__).resolve().parents[1]

# Spelled out, so that the user's configuration of git does not matter.
_DIFF = (
    *("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--no-renames", "--src-prefix=a/", "--dst-prefix=b/"),
)


@cache
def commit() -> str | None:
    """The commit of the running code, with "+" if the code has been changed since.

    None if the package is not under version control. Read once per process, because later edits are
    not in the code that is loaded.
    """
    if not is_tracked(_HOME):
        return None
    try:
        head, status = (
            _git(_HOME, *words).decode().strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", str(_HOME)))
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return head + ("+" if status else "")


def changes_hash() -> str | None:
    """The sha256 of PATCH; "" if the code has no changes, None outside a git checkout."""
    patch = _package_changes()
    if patch is None:
        return None
    return hashlib.sha256(patch).hexdigest() if patch else ""


def keep_changes(folder: Path) -> None:
    """Write PATCH into a run's folder, or remove an earlier one if there are no changes."""
    patch = _package_changes()
    (folder / PATCH).unlink(missing_ok=True)
    if patch:
        (folder / PATCH).write_bytes(patch)


@cache
def _package_changes() -> bytes | None:
    # Read once per process, because later edits are not in the code that is loaded.
    return changes(_HOME)


def is_tracked(folder: Path) -> bool:
    """Whether git has the folder's own files, as it has in a checkout of ours.

    It has not if the package is installed in a folder of somebody else's repository.
    """
    try:
        return bool(_git(folder, "ls-files", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return False


def changes(folder: Path) -> bytes | None:
    """Changed and new files of `folder` as a patch for `git apply`; None outside a checkout.

    A new file above 1 MB, and any file with the name of a secret, is one line without content.
    """
    if not is_tracked(folder):
        return None
    secret = [f":(icase,glob)**/{name}" for name in SECRET]
    public = [".", *(f":(exclude,icase,glob)**/{name}" for name in SECRET)]
    new_files = ("ls-files", "--others", "--exclude-standard", "-z", "--")
    try:
        edited = _git(folder, *_DIFF, "HEAD", "--relative", "--", *public)
        new = [_new(folder, name) for name in _names(_git(folder, *new_files, *public))]
        hidden = [
            *_names(_git(folder, *new_files, *secret)),
            *_names(_git(folder, "diff", "--name-only", "-z", "HEAD", "--relative", "--", *secret)),
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    left_out = [f"left out, named like a secret: {name}\n".encode() for name in sorted(hidden)]
    return b"".join([*left_out, edited, *new])


def _names(listing: bytes) -> list[str]:
    return [os.fsdecode(name) for name in sorted(listing.split(b"\0")) if name]


def _new(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink() or not path.is_file():
        return f"left out, not a regular file: {name}\n".encode()
    if path.stat().st_size > _LARGE:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"left out, too large: {name}, sha256 {digest}\n".encode()
    # git diff --no-index exits with 1 if there is a difference.
    return _git(folder, *_DIFF, "--no-index", "--", os.devnull, name, expected=(0, 1))


def own_code(config: Mapping[str, Any]) -> dict[str, str]:
    """File -> sha256 of the user's own code, that is of each `_target_` that is not installed.

    config  resolved; a target whose module is not imported is left out
    """
    modules = [sys.modules.get(target.rpartition(".")[0]) for target in sorted(_targets(config))]
    files = [Path(module.__file__) for module in modules if module and module.__file__]
    return {
        str(file): sha256(file) or "unreadable"
        for file in files
        if not file.resolve().is_relative_to(_HOME) and "site-packages" not in file.parts
    }


def sha256(path: Path) -> str | None:
    """The hash of a file's content; None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _targets(node: Any) -> set[str]:
    match node:
        case Mapping():
            target = {str(node["_target_"])} if "_target_" in node else set()
            if target == {MODULE}:
                target.add(str(node.get("target")))
            return target.union(*map(_targets, node.values()))
        case list() | tuple():
            return set().union(*map(_targets, node))
        case _:
            return set()


def _git(folder: Path, *words: str, expected: Sequence[int] = (0,)) -> bytes:
    """The output of git in a folder, whatever repository the environment points to.

    The settings of a foreign repository start no program here.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    process = subprocess.run(command, capture_output=True, timeout=10, env=environment)
    if process.returncode not in expected:
        raise subprocess.CalledProcessError(process.returncode, command)
    return process.stdout
