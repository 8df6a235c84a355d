"""The estimator of each layer; models decide about the signs of some, as of weights and gates."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bnrun.estimators.base import Estimator


def layer_estimators(
    build: Callable[[Mapping[str, Any], int], Estimator],
    config: Mapping[str, Any],
    signed: Sequence[bool | None],
    first: Estimator,
) -> list[Estimator]:
    """The estimator of each layer.

    build   an estimator from the config and the number of its layer, from 1
    signed  whether the activations of each layer are -1 and +1; None leaves it to its neuron
    first   that of layer 1 if the config decides about its signs

    Raises ValueError if the config has a layer that the model does not have, or if it asks for
    signs where the model decides about those of all layers.
    """
    if unknown := config["layers"].keys() - {str(n + 1) for n in range(len(signed))}:
        raise ValueError(f"layers.{min(unknown)}: the model has binary layers 1 to {len(signed)}")
    if config["neuron"].get("signed") and None not in signed:
        raise ValueError(
            "neuron.signed=true: has no effect, because this model decides whether its activations "
            "are 0 and 1 or -1 and +1: leave it out"
        )
    known = [first] if signed[0] is None else []
    others = list(enumerate(signed, start=1))[len(known) :]
    return known + [build(_with_signs(config, signs), number) for number, signs in others]


def _with_signs(part: Any, signed: bool | None) -> Any:
    """A config in which all neurons have activations of -1 and +1, or of 0 and 1.

    signed  None leaves it to the config
    """
    if signed is None or not isinstance(part, Mapping):
        return part
    changed = {name: _with_signs(value, signed) for name, value in part.items()}
    neuron = part.get("neuron")
    if isinstance(neuron, Mapping):  # elsewhere in the config, its name is under this key
        changed["neuron"] = {**neuron, "signed": signed}
    return changed
