"""bnrun: train networks with binary neurons, and compare gradient estimators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnrun.api import load_estimator as load_estimator
    from bnrun.binary import Binary as Binary
    from bnrun.binary import advance as advance
    from bnrun.core.fields import validated as validated
    from bnrun.core.noise import Noise as Noise
    from bnrun.core.sites import estimate as estimate
    from bnrun.estimators.base import Estimator as Estimator

    __version__: str

_HOMES = {
    "Binary": "bnrun.binary",
    "Estimator": "bnrun.estimators.base",
    "Noise": "bnrun.core.noise",
    "advance": "bnrun.binary",
    "estimate": "bnrun.core.sites",
    "load_estimator": "bnrun.api",
    "validated": "bnrun.core.fields",
}

__all__ = [
    "Binary",
    "Estimator",
    "Noise",
    "__version__",
    "advance",
    "estimate",
    "load_estimator",
    "validated",
]


def __getattr__(name: str) -> Any:
    # On first use, so that help, completion and config errors need not wait a second for torch.
    if name == "__version__":
        from importlib.metadata import version

        return version("bnrun")
    if name not in _HOMES:
        raise AttributeError(f"module 'bnrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
