"""Comparing runs by the files in their folders; needs neither torch nor TensorBoard."""
