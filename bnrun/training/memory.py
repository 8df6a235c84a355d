"""How the process reuses freed memory."""

import ctypes
import sys

# From <malloc.h> of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Keep freed blocks of any size for the next tensor instead of returning them to the system.

    Otherwise large tensors fault in fresh pages at every step, which makes the forward pass of a
    convolution 4 to 10 times slower. Returns whether the C library has this setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
