"""Which gradients to measure, and what to compare them with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bnrun.config.settings import GradientSettings
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import Exact
from bnrun.measurement.instrument import Instrument, Reference
from bnrun.recording import tags

Build = Callable[[Neuron], Estimator]
"""Builds an estimator for a neuron."""

Named = Callable[[str, str, Mapping[str, Any]], Build]
"""From the key of an option, the name of an estimator in its value, and the fields that differ from
its yaml, to what builds the estimator."""

MANY_DRAWS = 4096
FEW_DRAWS = 64
"""Draws averaged into a reference that is not exact. Local expectation has already averaged over
each unit's own bit, so few draws are as precise."""


def choose_instrument(
    settings: GradientSettings,
    in_use: Sequence[Estimator],
    units: Sequence[int],
    examples: int,
    named: Named,
) -> Instrument | None:
    """The instrument that measures gradients during training; None if `every` is None.

    in_use, units  estimator that trains each binary layer, and its units
    examples       number of training examples
    named          see Named

    Raises ValueError if a neuron is not binary, if the reference is biased, if there are too few
    examples, or if a field does not exist.
    """
    if settings.every is None:
        return None
    if settings.examples > examples:
        raise ValueError(
            f"gradients.examples={settings.examples}: there are only {examples} training examples "
            f"to measure on, so choose a number from 2 to {examples}"
        )
    builds = {
        tags.with_fields(*pair): named("gradients.estimators", *pair) for pair in settings.named
    }
    in_question = [*in_use, *(build(SBN()) for build in builds.values())]
    if any(estimator.bound is not None for estimator in in_question):
        raise ValueError(
            "gradients.every compares estimates with the gradient of the mean loss, but "
            "estimator=vimco minimises a bound of several samples: choose gradients.every=null, or "
            "leave it out of gradients.estimators"
        )
    neurons = [e.neuron for e in in_use if isinstance(e.neuron, BinaryNeuron)]
    if len(neurons) < len(in_use):
        raise ValueError(
            "gradients.every measures gradient estimates of binary neurons: choose neuron=dbn or "
            "neuron=sbn, or gradients.every=null"
        )
    return Instrument(
        estimators={name: list(map(build, neurons)) for name, build in builds.items()},
        reference=choose_reference(settings, neurons, units, named),
        group=tags.measured_group(any(isinstance(neuron, DBN) for neuron in neurons)),
        every=settings.every,
        draws=settings.draws,
        examples=settings.examples,
        memory=settings.memory * 2**20,
        averages=settings.averages,
    )


def choose_reference(
    settings: GradientSettings,
    neurons: Sequence[BinaryNeuron],
    units: Sequence[int],
    named: Named,
) -> Reference:
    """Enumeration if that is affordable, else the unbiased estimator with the least variance.

    The gradient of a DBN is zero almost everywhere; its reference is that of an SBN with the same
    logits and noise.

    Raises ValueError if the reference that was asked for is biased, or enumerates too much.
    """
    name = settings.reference
    if name == "auto":
        if sum(units) <= settings.max_units:
            name = "exact"
        else:
            name = "local_expectation" if len(units) == 1 else "disarm"
    sampling = [SBN(signed=n.signed, slope=n.slope, noise=n.noise) for n in neurons]
    if name == "exact":
        if max(units) > settings.max_units:
            raise ValueError(
                f"gradients.reference=exact: would enumerate 2^{max(units)} patterns of a layer "
                f"with {max(units)} units, but gradients.max_units={settings.max_units}: choose "
                f"auto or an unbiased estimator, like disarm"
            )
        exact = [Exact(neuron=neuron, max_units=settings.max_units) for neuron in sampling]
        return Reference(name, exact, draws=1)
    estimators = list(map(named("gradients.reference", name, {}), sampling))
    if not all(estimator.unbiased for estimator in estimators):
        raise ValueError(
            f"gradients.reference={name}: this estimator is biased, choose auto, exact or an "
            f"unbiased one, like disarm"
        )
    few = name == "local_expectation"
    draws = settings.reference_draws or (FEW_DRAWS if few else MANY_DRAWS)
    return Reference(name, estimators, draws)
