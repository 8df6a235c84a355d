"""Estimators: which gradient goes back through a binary layer. One file per family."""
