"""Many runs: planning, launching and watching the jobs of a sweep."""
