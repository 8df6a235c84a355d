"""Comparing runs by what they left in their folders; needs neither torch nor TensorBoard."""

from bnrun.report.command import main
from bnrun.report.scores import scores_table

__all__ = ["main", "scores_table"]
