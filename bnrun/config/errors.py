"""Which exceptions are mistakes, to be reported as one sentence, and which are bugs."""

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from bnrun.config.frames import innermost_library, passes_own_code
from bnrun.core.errors import UserError as UserError

FULL = "BNRUN_FULL_ERROR"
"""Environment variable that stands for the user's HYDRA_FULL_ERROR, which we set for Hydra."""


class DivergedError(UserError):
    """A run that ended because its replicas diverged; it has a result."""


class ClaimedError(UserError):
    """A run that another process is working on; nothing is wrong with it."""


MISTAKES = (
    *(UserError, HydraException, OmegaConfBaseException, YAMLError),
    *(ValueError, TypeError, OSError, ImportError, OverflowError),
)
"""What a wrong config, a wrong data file or a full disk raises while a run is being built."""


def is_mistake(error: BaseException) -> bool:
    """Whether an exception of a config, or of building what it describes, is the user's to fix.

    A class may refuse its fields with a ValueError. Apart from that, an exception that comes out of
    the user's own code is a bug of that code, and a TypeError of this package a bug of it.

    While a run trains, only a UserError is a mistake, and only if memory has not run out.
    """
    if isinstance(error, UserError) or is_out_of_memory(error):
        return True
    if isinstance(error, InstantiationException):
        return _is_refusal(error)
    if passes_own_code(error):
        return False
    if isinstance(error, TypeError):
        return innermost_library(error) in ("hydra", "omegaconf")
    return isinstance(error, MISTAKES)


def _is_refusal(error: InstantiationException) -> bool:
    """Whether a class refused what the config gives it, rather than failed."""
    cause = cause_of(error)
    if isinstance(cause, ValueError | InstantiationException):
        return True
    return isinstance(cause, MISTAKES) and not passes_own_code(cause)


def cause_of(error: BaseException) -> BaseException:
    """The exception that Hydra has wrapped, or the error itself."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. On a CPU, torch raises a plain RuntimeError for that."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)
