"""A seed's replica is trained as it would be alone."""

from collections.abc import Sequence

import torch
from configured import built


def assert_trained_as_alone(words: list[str], seeds: Sequence[int] = (7,)) -> None:
    """Raises AssertionError if one of these seeds is trained otherwise beside seeds 3 and 7."""
    together = built([*words, "seeds=[3,7]"])
    list(together.run())
    for seed in seeds:
        alone = built([*words, f"seeds=[{seed}]"])
        list(alone.run())
        both, one = together.model.state_dict(), alone.model.state_dict()
        assert both.keys() == one.keys()
        for name, value in one.items():
            replica = both[name][together.seeds.index(seed)]
            torch.testing.assert_close(replica, value[0], rtol=0, atol=1e-9)
