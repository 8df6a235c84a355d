"""bnrun: train networks with binary neurons, and compare gradient estimators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnrun.api import load_estimator as load_estimator
    from bnrun.core.fields import validated as validated
    from bnrun.core.noise import Noise as Noise
    from bnrun.estimators.base import Estimator as Estimator

    __version__: str

_HOMES = {
    "Estimator": "bnrun.estimators.base",
    "Noise": "bnrun.core.noise",
    "load_estimator": "bnrun.api",
    "validated": "bnrun.core.fields",
}

__all__ = ["Estimator", "Noise", "__version__", "load_estimator", "validated"]


def __getattr__(name: str) -> Any:
    # On first use, so that help, completion and config errors need not wait 1.7 s for torch.
    if name == "__version__":
        from importlib.metadata import version

        return version("bnrun")
    if name not in _HOMES:
        raise AttributeError(f"module 'bnrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
