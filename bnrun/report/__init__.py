"""Comparing runs by what they left in their folders; needs neither torch nor TensorBoard."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnrun.report.command import main as main
    from bnrun.report.scores import scores_table as scores_table

_HOMES = {"main": "bnrun.report.command", "scores_table": "bnrun.report.scores"}

__all__ = ["main", "scores_table"]


def __getattr__(name: str) -> Any:
    # On first use only: who wants one table must not wait for the figures' libraries.
    if name not in _HOMES:
        raise AttributeError(f"module 'bnrun.report' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
