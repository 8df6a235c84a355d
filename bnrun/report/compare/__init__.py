"""Contests between runs, their statistics and verdicts."""
