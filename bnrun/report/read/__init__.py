"""Finding runs and reading what is in their folders."""
