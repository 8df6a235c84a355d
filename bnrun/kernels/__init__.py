"""Numerical kernels: torch only, no knowledge of neurons or networks."""
