"""Datasets: one file per source, each a subclass of `bnrun.data.base.Dataset`."""
