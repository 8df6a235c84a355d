"""Gradient estimators for binary layers, one file per family; helpers are in tools/."""
