"""What a training yields: one record per point of its history."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Record:
    """Measurements after `step` updates.

    step        updates done
    epoch       passes over the training data, a fraction within an epoch
    seconds     wall time since training started
    scalars     tag -> one value per replica, [R], on the CPU
    histograms  tag -> values, [R, N], on the CPU
    images      tag -> grey pictures, [N, H, W], on the CPU, of the first replica
    """

    step: int
    epoch: float
    seconds: float
    scalars: dict[str, Tensor] = field(default_factory=dict)
    histograms: dict[str, Tensor] = field(default_factory=dict)
    images: dict[str, Tensor] = field(default_factory=dict)
