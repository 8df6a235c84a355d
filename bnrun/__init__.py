"""bnrun: train networks with binary neurons, and compare gradient estimators."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import bnrun.run
import bnrun.sweep

if TYPE_CHECKING:
    from bnrun.api import load_estimator as load_estimator
    from bnrun.binary import Binary as Binary
    from bnrun.binary import advance as advance
    from bnrun.conformance.frame import check as check
    from bnrun.core.errors import UserError as UserError
    from bnrun.core.estimate import estimate as estimate
    from bnrun.core.fields import validated as validated
    from bnrun.core.noise import Noise as Noise
    from bnrun.estimators.base import Estimator as Estimator
    from bnrun.report.read.frames import load_runs as load_runs
    from bnrun.runner import run as run
    from bnrun.runner import sweep as sweep

    __version__: str

_HOMES = {
    "Binary": "bnrun.binary",
    "Estimator": "bnrun.estimators.base",
    "Noise": "bnrun.core.noise",
    "advance": "bnrun.binary",
    "estimate": "bnrun.core.estimate",
    "UserError": "bnrun.core.errors",
    "check": "bnrun.conformance.frame",
    "load_estimator": "bnrun.api",
    "load_runs": "bnrun.report.read.frames",
    "validated": "bnrun.core.fields",
}

__all__ = [
    "Binary",
    "Estimator",
    "Noise",
    "UserError",
    "__version__",
    "advance",
    "check",
    "estimate",
    "load_estimator",
    "load_runs",
    "run",
    "sweep",
    "validated",
]


class _Callable(ModuleType):
    """A folder of the package that is a function too: bnrun.run(...) and bnrun.sweep(...).

    Importing anything from bnrun/run/ sets bnrun.run to that module, whatever it was before.
    """

    def __call__(self, *overrides: str, config_dir: str | Path | None = None) -> Any:
        """As the function of this name in bnrun.runner, which says more."""
        from bnrun import runner

        function = getattr(runner, self.__name__.rpartition(".")[2])
        return function(*overrides, config_dir=config_dir)


for _part in (bnrun.run, bnrun.sweep):
    _part.__class__ = _Callable


if not TYPE_CHECKING:  # A type checker would take any name for one that is there.

    def __getattr__(name: str) -> Any:
        # On first use, so that help, completion and config errors need not wait a second for torch.
        if name == "__version__":
            from importlib.metadata import version

            return version("bnrun")
        if name not in _HOMES:
            raise AttributeError(f"module 'bnrun' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
