"""What it takes to do a run again: the code as it was, the machine, the command."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PATCH = "changes.patch"
"""Beside the result of a run whose code was changed: the commit and this patch are its code."""

_LARGE = 2**20
"""Bytes of a new file that is named in the patch, but not held."""


# Whatever a user has configured.
_DIFF = (
    *("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv"),
    *("--no-renames", "--src-prefix=a/", "--dst-prefix=b/"),
)


def receipt() -> dict[str, Any]:
    """Goes into result.json beside the config, the versions, the commit and the data's hashes.

    command   the words of the command line
    changes   sha256 of the code's difference from its commit, new files included, which is
              PATCH; "" where there is none, None outside a git checkout (own_code tells of the
              files of a user)
    hardware  processor, cores, threads of torch, memory in GB, CUDA device or None
    torch     how torch was built
    """
    patch = _own_changes()
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "changes": hashlib.sha256(patch).hexdigest() if patch else None if patch is None else "",
        "hardware": hardware(),
        "torch": _torch_build(),
    }


def own_code(config: Mapping[str, Any]) -> dict[str, str]:
    """File -> sha256, of what the config's `_target_` name outside of installed packages.

    config  resolved; its targets have been imported, or are left out
    """
    modules = [sys.modules.get(target.rpartition(".")[0]) for target in sorted(_targets(config))]
    files = [Path(m.__file__) for m in modules if m is not None and m.__file__]
    package = Path(__file__).resolve().parents[1]
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if not file.resolve().is_relative_to(package) and "site-packages" not in file.parts
    }


def _targets(node: Any) -> set[str]:
    match node:
        case Mapping():
            own = {str(node["_target_"])} if "_target_" in node else set()
            return own.union(*map(_targets, node.values()))
        case list() | tuple():
            return set().union(*map(_targets, node))
        case _:
            return set()


def keep_changes(folder: Path) -> None:
    """Write PATCH into a run's folder; without changes remove what an earlier start left there."""
    patch = _own_changes()
    if patch:
        (folder / PATCH).write_bytes(patch)
    else:
        (folder / PATCH).unlink(missing_ok=True)


@cache
def _own_changes() -> bytes | None:
    # Once in a process: what is edited while it runs is not the code that it has loaded.
    return changes(Path(__file__).resolve().parents[1])


def changes(folder: Path) -> bytes | None:
    """What git would show as changed or new in `folder`, as a patch; None outside a checkout.

    The same for every user's configuration of git; `git apply` takes it. A new file of more than
    1 MB is a line with its sha256.
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
        return f"left out, for it is no file: {name}\n".encode()
    if path.stat().st_size > _LARGE:
        with path.open("rb") as file:
            told = hashlib.file_digest(file, "sha256").hexdigest()
        return f"left out for its size: {name}, sha256 {told}\n".encode()
    # Its exit status says that the file differs from none.
    return _git(folder, *_DIFF, "--no-index", "--", os.devnull, name, fine=(0, 1))


def hardware() -> dict[str, Any]:
    """The machine as torch sees it."""
    import torch

    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": _memory(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _torch_build() -> dict[str, Any]:
    import torch

    return {
        "cuda": torch.version.cuda,
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(),
    }


def _processor() -> str:
    """Its model where Linux tells, else what Python knows."""
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


def _git(folder: Path, *words: str, fine: Sequence[int] = (0,)) -> bytes:
    command = ["git", "-C", str(folder), *words]
    ended = subprocess.run(command, capture_output=True, timeout=10)
    if ended.returncode not in fine:
        raise subprocess.CalledProcessError(ended.returncode, command)
    return ended.stdout
