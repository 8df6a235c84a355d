"""Values that grow geometrically during training."""

import math


def grown(initial: float, growth: float, times: int, cap: float) -> float:
    """initial * growth ** times, at most `cap`, for an initial value above 0."""
    # In logarithms, because growth ** steps overflows.
    logarithm = math.log(initial) + times * math.log(growth)
    return math.exp(logarithm) if logarithm < math.log(cap) else cap
