"""The look of a contestant, the same in every figure of a report."""

from collections.abc import Mapping, Sequence

# Okabe, Ito (2008): distinct for the colour-blind, and visible on white and on black.
COLOURS = ("#0a7cc4", "#e08a00", "#009e73", "#d5400a", "#b65f95", "#3fb1ea", "#8d6fd1", "#8a8a8a")
_DASHES = ("-", "--", ":", "-.")

Style = Mapping[str, tuple[str, str]]
"""Label -> colour and dash."""


def styles(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Label -> colour and dash; they repeat after 32 labels."""
    return {
        label: (COLOURS[n % len(COLOURS)], _DASHES[n // len(COLOURS) % len(_DASHES)])
        for n, label in enumerate(labels)
    }
