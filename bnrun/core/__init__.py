"""Noise, neurons, layers, and the chain that binds them."""
