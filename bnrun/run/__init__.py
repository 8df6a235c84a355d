"""One run: from its config to its result. Called, it is bnrun.runner.run."""
