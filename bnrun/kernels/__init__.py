"""Numerical kernels on tensors. They import torch only and know no neurons or networks."""
