"""Exceptions that a user caused; they are reported as one sentence, without a traceback."""

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


class UserError(Exception):
    """A user's mistake; its message is one sentence."""


class DivergedError(UserError):
    """A run that ended because its replicas diverged; it has a result."""


class ClaimedError(UserError):
    """A run that another process is working on; nothing is wrong with it."""


MISTAKES = (
    *(UserError, HydraException, OmegaConfBaseException, YAMLError),
    *(ValueError, TypeError, OSError, ImportError, OverflowError),
)
"""What a wrong config, a wrong data file or a full disk raises."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. On a CPU, torch raises a plain RuntimeError for that."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)
