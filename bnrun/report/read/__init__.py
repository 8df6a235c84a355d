"""Finding runs and reading their settings and scores."""
