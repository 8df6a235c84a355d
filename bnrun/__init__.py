"""bnrun: train networks with binary neurons, and compare gradient estimators."""
