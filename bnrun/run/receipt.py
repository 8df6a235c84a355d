"""What it takes to rerun a run: its code, its machine, its command."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

PATCH = "changes.patch"
"""File of a run whose code differed from its commit: the commit and this patch are the code."""

_LARGE = 2**20
"""Bytes above which the patch names a new file without its content."""


# Spelled out, so that the user's configuration of git does not matter.
_DIFF = (
    *("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--no-renames", "--src-prefix=a/", "--dst-prefix=b/"),
)


def receipt() -> dict[str, Any]:
    """What result.json has beside the config, the versions, the commit and the data's hashes.

    command   words of the command line
    changes   sha256 of PATCH, the difference of the code from its commit with new files; "" if
              there is no difference, None outside a git checkout. A user's own files are in
              own_code
    hardware  processor, cores, threads of torch, memory in GB, CUDA device or None
    torch     how torch was built
    """
    patch = _package_changes()
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "changes": None if patch is None else hashlib.sha256(patch).hexdigest() if patch else "",
        "hardware": hardware(),
        "torch": _torch_build(),
    }


def own_code(config: Mapping[str, Any]) -> dict[str, str]:
    """File -> sha256 of the user's own code, that is of each `_target_` that is not installed.

    config  resolved; a target whose module is not imported is left out
    """
    modules = [sys.modules.get(target.rpartition(".")[0]) for target in sorted(_targets(config))]
    files = [Path(module.__file__) for module in modules if module and module.__file__]
    package = Path(__file__).resolve().parents[1]
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if not file.resolve().is_relative_to(package) and "site-packages" not in file.parts
    }


def _targets(node: Any) -> set[str]:
    match node:
        case Mapping():
            target = {str(node["_target_"])} if "_target_" in node else set()
            return target.union(*map(_targets, node.values()))
        case list() | tuple():
            return set().union(*map(_targets, node))
        case _:
            return set()


def keep_changes(folder: Path) -> None:
    """Write PATCH into a run's folder, or remove an earlier one if there are no changes."""
    patch = _package_changes()
    if patch:
        (folder / PATCH).write_bytes(patch)
    else:
        (folder / PATCH).unlink(missing_ok=True)


@cache
def _package_changes() -> bytes | None:
    # Read once per process, because later edits are not in the code that is loaded.
    return changes(Path(__file__).resolve().parents[1])


def changes(folder: Path) -> bytes | None:
    """Changed and new files of `folder` as a patch for `git apply`; None outside a checkout.

    A new file above 1 MB is one line with its sha256.
    """
    try:
        names = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
        edited = _git(folder, *_DIFF, "HEAD", "--relative", "--", ".")
        new = [_new(folder, os.fsdecode(name)) for name in sorted(names.split(b"\0")) if name]
    except (OSError, subprocess.SubprocessError):
        return None
    return b"".join([edited, *new])


def _new(folder: Path, name: str) -> bytes:
    path = folder / name
    if not path.is_file():
        return f"left out, not a regular file: {name}\n".encode()
    if path.stat().st_size > _LARGE:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"left out, too large: {name}, sha256 {digest}\n".encode()
    # git diff --no-index exits with 1 if there is a difference.
    return _git(folder, *_DIFF, "--no-index", "--", os.devnull, name, expected=(0, 1))


def hardware() -> dict[str, Any]:
    """The machine, as torch uses it."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": _memory(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _torch_build() -> dict[str, Any]:
    return {
        "cuda": torch.version.cuda,
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(),
    }


def _processor() -> str:
    """The processor's model from Linux, else what Python knows."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _git(folder: Path, *words: str, expected: Sequence[int] = (0,)) -> bytes:
    command = ["git", "-C", str(folder), *words]
    process = subprocess.run(command, capture_output=True, timeout=10)
    if process.returncode not in expected:
        raise subprocess.CalledProcessError(process.returncode, command)
    return process.stdout
