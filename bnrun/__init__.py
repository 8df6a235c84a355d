"""bnrun: train networks with binary neurons, and compare gradient estimators."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnrun.api import load_estimator as load_estimator
    from bnrun.estimators.base import Estimator as Estimator
    from bnrun.fields import validated as validated
    from bnrun.noise import Noise as Noise

    __version__: str

_HOMES = {
    "Estimator": "bnrun.estimators.base",
    "Noise": "bnrun.noise",
    "load_estimator": "bnrun.api",
    "validated": "bnrun.fields",
}

__all__ = ["Estimator", "Noise", "__version__", "load_estimator", "validated"]


def __getattr__(name: str) -> Any:
    # On first use only: help, completion and config errors must not wait for torch.
    if name == "__version__":
        from importlib.metadata import version

        return version("bnrun")
    if name not in _HOMES:
        raise AttributeError(f"module 'bnrun' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
