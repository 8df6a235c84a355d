"""What it takes to rerun a run: its code, its machine, its command."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from bnrun.run.source import changes_hash


def receipt() -> dict[str, Any]:
    """What result.json has beside the config, the versions, the commit and the data's hashes.

    command   words of the command line
    changes   sha256 of PATCH, the difference of the code from its commit with new files; "" if
              there is no difference, None outside a git checkout. A user's own files are in
              own_code
    hardware  processor, cores, threads of torch, memory in GB, CUDA device or None
    torch     how torch was built
    """
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "changes": changes_hash(),
        "hardware": hardware(),
        "torch": _torch_build(),
    }


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
