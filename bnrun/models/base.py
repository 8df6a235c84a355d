"""The base class of every model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bnrun.core.network import Network


class Model(ABC):
    """The description of a net, chosen by `model=`. A subclass must define `build`.

    The fields of a subclass are the keys of its yaml; `bnrun.core.fields.validated` checks their
    types and ranges.
    """

    @abstractmethod
    def build(self, shape: Sequence[int], outputs: int, seeds: Sequence[int]) -> Network:
        """Build the net, with one replica per seed.

        shape    of one input, as in `Data.shape`
        outputs  number of values per example that the task wants from the head
        seeds    R of them. Every parameter has a leading axis R, and replica r is initialised from
                 seeds[r] alone; the layers of bnrun.core.layers do both

        The stages of a Chain map inputs [R, B, *shape], and later activations [*S, R, B, U], to
        the logits of the next binary layer, [*S, R, B, U']; its head maps the last activations to
        [*S, R, B, outputs].

        Raises ValueError if the net does not suit such inputs or outputs.
        """
