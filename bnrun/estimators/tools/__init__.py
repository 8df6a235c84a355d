"""Helpers that several estimators share. Nothing here is an estimator."""
