"""What it takes to do a run again: the code as it was, the machine, the command."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any


def receipt() -> dict[str, Any]:
    """Goes into result.json beside the config, the versions, the commit and the data's hashes.

    command   the words of the command line
    changes   sha256 of the code's difference from its commit, new files included; "" where there
              is none, None outside a git checkout
    hardware  processor, cores, threads of torch, memory in GB, CUDA device or None
    torch     how torch was built
    """
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "changes": changes(Path(__file__).resolve().parents[1]),
        "hardware": hardware(),
        "torch": _torch_build(),
    }


def changes(folder: Path) -> str | None:
    """Hash of what git would show as changed or new in `folder`; "" for nothing."""
    try:
        difference = _git(folder, "diff", "HEAD", "--binary", "--no-ext-diff", "--", ".")
        new = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    digest = hashlib.sha256(difference)
    for name in sorted(filter(None, new.split(b"\0"))):
        path = folder / os.fsdecode(name)
        content = path.read_bytes() if path.is_file() else b""
        digest.update(name + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest() if difference or new else ""


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


def _git(folder: Path, *words: str) -> bytes:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, timeout=10, check=True).stdout
