"""Contestants, pairs, statistics and verdicts."""
