"""Many runs: planning, launching and watching a sweep. Called, it is bnrun.runner.sweep."""
