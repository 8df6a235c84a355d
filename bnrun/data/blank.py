"""Examples with nothing in them, for tasks that need no data."""

from collections.abc import Sequence
from pathlib import Path

import torch

from bnrun.core.fields import PositiveInt, validated
from bnrun.data.base import Data, Dataset, Split


@validated
class Blank(Dataset):
    """Inputs [N, 1] and targets [N], all zero, the same in every split; no classes.

    examples  N; an epoch has N / batch size updates
    """

    examples: PositiveInt = 1000

    def sources(self) -> Sequence[Path]:
        """Return none."""
        return []

    def load(self) -> Data:
        """Return the splits, which share their memory."""
        zeros = Split(torch.zeros(self.examples, 1), torch.zeros(self.examples))
        return Data(name="blank", train=zeros, validation=zeros, test=zeros, shape=(1,), classes=0)
