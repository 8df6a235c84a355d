"""Logits at which neurons fire, and noise that must not be drawn."""

import math

import torch
from enumeration import GivenNoise

from bnrun.core.neurons import DBN, SBN

BINARY = [DBN, SBN]
LOGITS = torch.tensor([-3.0, -1.2, -math.log(3), 0.0, 0.4, 2.5]).double().view(1, 1, -1)
SILENT = GivenNoise()
"""Fails when a uniform is drawn."""
DRAWS = 200_000
