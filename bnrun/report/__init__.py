"""Comparing runs by what they left in their folders; needs neither torch nor TensorBoard."""
