"""From a config to a training: every object is built here, and nowhere else."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from bnrun.api import composed
from bnrun.config.settings import GradientSettings, Settings
from bnrun.core.chain import Chain
from bnrun.core.neurons import DBN, SBN, BinaryNeuron, Neuron
from bnrun.core.products import set_product_dtype
from bnrun.data.base import Data, Split
from bnrun.estimators.base import Estimator
from bnrun.estimators.exact import Exact
from bnrun.measurement.instrument import Instrument, Reference
from bnrun.tasks.base import Task
from bnrun.training.loop import Training
from bnrun.training.memory import keep_freed_memory
from bnrun.training.rates import parameter_groups

_METHODS = {"model": "build", "task": "prepared", "dataset": "load"}
"""What each part is asked for."""

_REHEARSED = 100
"""Steps of a schedule that are tried beforehand; they take 3 ms."""


def build_training(config: DictConfig, settings: Settings) -> Training:
    """Everything that the config names, put together on the device it asks for.

    Raises ValueError (or what the named classes raise) for what the config gets wrong.
    """
    # Subnormal numbers make CPU arithmetic several times slower once p (1 - p) underflows.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    torch.set_default_dtype(getattr(torch, settings.dtype))
    device = choose_device(settings.device)
    # Everything the user may have got wrong is built before the data are read.
    specification = build_part(config, "model")
    make_optimizer = instantiate(config.optimizer, _convert_="all")
    make_scheduler = instantiate(config.scheduler, _convert_="all")
    rehearse_rates(config)
    build_estimator(config.estimator)
    task: Task = build_part(config, "task")
    data = task.prepared(build_part(config, "dataset").load())
    model = specification.build(data.shape, task.outputs(data), settings.seed_list).to(device)
    if settings.trainer.products:
        set_product_dtype(model, getattr(torch, settings.trainer.products))
    groups = parameter_groups(model, settings.rates or {}, settings.optimizer.lr)
    optimizer = make_optimizer(groups)
    return Training(
        model=model,
        task=task,
        estimators=build_estimators(config, len(model.stages)),
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer),
        data=place(data, device),
        seeds=settings.seed_list,
        settings=settings.trainer,
        instrument=build_instrument(config, settings.gradients, model),
    )


def build_part(config: DictConfig, group: Literal["model", "task", "dataset"]) -> Any:
    """What stands in a group of the config. Raises ValueError for what is none of its kind."""
    node = config[group]
    part = instantiate(node, _convert_="all")
    method = _METHODS[group]
    if not hasattr(part, method):
        raise ValueError(
            f"{group}._target_={OmegaConf.select(node, '_target_')} is no {group}: give it a "
            f"class that has a method {method}()"
        )
    return part


def rehearse_rates(config: DictConfig) -> None:
    """The optimizer's and the schedule's first steps, on a number of their own.

    Raises ValueError for values that would stop a training later, like scheduler.step_size=0.
    """
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    place = "optimizer"
    try:
        optimizer = instantiate(config.optimizer, _convert_="all")([weight])
        optimizer.step()
        place = "scheduler"
        scheduler = instantiate(config.scheduler, _convert_="all")(optimizer)
        for _ in range(_REHEARSED):
            optimizer.step()
            scheduler.step()
            if not optimizer.param_groups[0]["lr"] >= 0:
                raise ValueError("the learning rate becomes negative")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        values = OmegaConf.to_container(config[place], resolve=True)
        assert isinstance(values, dict)
        shown = ", ".join(
            f"{key!s}={value}" for key, value in values.items() if f"{key!s}"[0] != "_"
        )
        raise ValueError(
            f"{place}: {values.get('_target_')} cannot do with {shown} ({error}): correct them"
        ) from error


def build_estimators(config: DictConfig, layers: int) -> list[Estimator]:
    """One estimator per binary layer: config.layers.<number>, or config.estimator.

    Raises ValueError for a layer that the model does not have.
    """
    unknown = set(config.layers) - {str(number) for number in range(1, layers + 1)}
    if unknown:
        raise ValueError(
            f"layers.{min(unknown)}: the model has binary layers 1 .. {layers}, choose one of them"
        )
    nodes = (config.layers.get(str(number), config.estimator) for number in range(1, layers + 1))
    return [build_estimator(node) for node in nodes]


def build_estimator(node: DictConfig) -> Estimator:
    """One estimator, to serve one binary layer."""
    if "_target_" not in node:
        raise ValueError(
            f"{node._get_full_key(None)}: has no estimator, choose one for that layer, as in "
            f"+estimator@layers.1=st +neuron@layers.1.neuron=sbn"
        )
    estimator = instantiate(node, _convert_="all")
    if not isinstance(estimator, Estimator):
        raise ValueError(
            f"estimator._target_={node._target_} is no estimator: "
            f"make it a subclass of bnrun.Estimator"
        )
    return estimator


def build_instrument(
    config: DictConfig, settings: GradientSettings, model: Chain
) -> Instrument | None:
    """What measures gradients while the net is trained, if it is asked for.

    Raises ValueError for neurons that are not binary.
    """
    if settings.every is None:
        return None
    neurons = [e.neuron for e in build_estimators(config, len(model.stages))]
    if not all(isinstance(neuron, BinaryNeuron) for neuron in neurons):
        raise ValueError(
            "gradients.every measures estimates of binary neurons: choose neuron=dbn or "
            "neuron=sbn, or gradients.every=null"
        )
    others = {
        name: [named_estimator(name, neuron) for neuron in neurons] for name in settings.estimators
    }
    deterministic = any(isinstance(neuron, DBN) for neuron in neurons)
    return Instrument(
        estimators=others,
        reference=build_reference(settings, neurons, model.units),
        group="gradients_vs_sbn" if deterministic else "gradients",
        every=settings.every,
        draws=settings.draws,
        examples=settings.examples,
        memory=settings.memory * 2**20,
        averages=settings.averages,
    )


def build_reference(
    settings: GradientSettings, neurons: Sequence[Neuron], units: Sequence[int]
) -> Reference:
    """Enumeration where it can be afforded, else the unbiased estimator with least variance.

    A DBN's gradient is zero almost everywhere; its reference is the SBN's at the same logits.
    """
    name = settings.reference
    if name == "auto":
        if sum(units) <= settings.max_units:
            name = "exact"
        else:
            name = "local_expectation" if len(units) == 1 else "disarm"
    sampling = [SBN(signed=neuron.signed, slope=neuron.slope) for neuron in neurons]
    if name == "exact":
        exact = [Exact(neuron=neuron, max_units=settings.max_units) for neuron in sampling]
        return Reference(name, exact, draws=1)
    estimators = [named_estimator(name, neuron) for neuron in sampling]
    if not all(estimator.unbiased for estimator in estimators):
        raise ValueError(
            f"gradients.reference={name}: that estimator is biased, choose auto, exact or an "
            f"unbiased one, like disarm"
        )
    # Local expectation has averaged out the bit itself, so far fewer draws give the same error.
    draws = settings.reference_draws or (64 if name == "local_expectation" else 4096)
    return Reference(name, estimators, draws)


def named_estimator(name: str, neuron: Neuron) -> Estimator:
    """The estimator of that name with its yaml's values, for a neuron that is built already."""
    config = composed([f"estimator={name}"])
    kind = type(neuron)
    OmegaConf.set_struct(config, False)
    config.neuron = {"_target_": f"{kind.__module__}.{kind.__qualname__}", **asdict(neuron)}
    return build_estimator(config.estimator)


def choose_device(name: str) -> torch.device:
    """The device by name; "auto" takes cuda where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: there is no CUDA device here, use device=cpu or device=auto")
    return torch.device(name)


def place(data: Data, device: torch.device) -> Data:
    """The data on a device, in the default dtype."""
    dtype = torch.get_default_dtype()

    def moved(split: Split) -> Split:
        targets = split.targets.to(device)
        floating = targets.is_floating_point()
        return Split(split.inputs.to(device, dtype), targets.to(dtype) if floating else targets)

    return Data(
        name=data.name,
        train=moved(data.train),
        validation=moved(data.validation),
        test=moved(data.test),
        shape=data.shape,
        classes=data.classes,
        hashes=data.hashes,
    )
