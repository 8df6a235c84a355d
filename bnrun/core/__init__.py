"""Noise, neurons, layers, and the chain that connects them."""
