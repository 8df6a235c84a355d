"""The composition root: the only place where a config becomes objects."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from hydra.errors import MissingConfigException

from bnrun.config.complaint import mistakes_in_value
from bnrun.config.compose import EstimatorConfig, composed, resolved
from bnrun.config.errors import UserError
from bnrun.config.sentence import sentence
from bnrun.config.settings import Settings
from bnrun.core.products import set_product_dtype
from bnrun.estimators.base import Estimator
from bnrun.measurement.choice import Build, choose_instrument
from bnrun.recording.tracker import Tracker
from bnrun.run.kinds import build
from bnrun.run.signs import layer_estimators
from bnrun.training.device import choose_device, prepare_process, prepared_data
from bnrun.training.loop import Training
from bnrun.training.rates import parameter_groups, rehearse
from bnrun.training.uncompiled import built


def build_estimator(config: Mapping[str, Any], layer: int = 1) -> Estimator:
    """The estimator of a binary layer, counted from 1: its own, or that of all layers."""
    key = f"layers.{layer}" if str(layer) in config["layers"] else "estimator"
    estimator: Estimator = build(config, key)
    return estimator


def named_estimator(key: str, name: str, fields: Mapping[str, Any]) -> Build:
    """What builds configs/estimator/<name>.yaml, with other values of these fields.

    key  of the option whose value names it, by which both report a mistake, as a UserError
    """
    with mistakes_in_value(key, name):
        config = EstimatorConfig([f"estimator={name}"], fields)
    named = mistakes_in_value(key, name)
    return named(lambda neuron: build_estimator(config.values(neuron)))


def build_trackers(names: Sequence[str]) -> dict[str, Tracker]:
    """The trackers configs/tracker/<name>.yaml. Raises UserError if one has no such file."""
    try:
        configs = {name: resolved(composed([f"+tracker={name}"])) for name in names}
    except MissingConfigException as error:
        raise UserError(f"recorder.also: {sentence(error)}") from error
    return {name: build(config, "tracker") for name, config in configs.items()}


def build_training(config: Mapping[str, Any], settings: Settings) -> Training:
    """The training that a resolved config describes, on its device.

    Raises ValueError, or what the classes raise, for a mistake in the config.
    """
    prepare_process(settings.dtype)
    device, seeds = choose_device(settings.device), settings.seed_list
    # Everything that can be wrong comes before the data, which may take minutes to download.
    specification, task = build(config, "model"), build(config, "task")
    build(config, "neuron")  # before the estimator, so that mistakes are named by its own key
    first = build_estimator(config)
    make_optimizer, make_scheduler = build(config, "optimizer"), build(config, "scheduler")
    rehearse(make_optimizer, make_scheduler)
    data = prepared_data(build(config, "dataset"), task, device)
    model = specification.build(data.shape, task.outputs(data), seeds).to(device)
    if settings.trainer.products:
        set_product_dtype(model, getattr(torch, settings.trainer.products))
    estimators = layer_estimators(build_estimator, config, model.signed, first)
    groups = parameter_groups(model, settings.rates or {}, settings.optimizer.lr)
    optimizer = built(make_optimizer, groups)
    scheduler = make_scheduler(optimizer)
    measured = (estimators, model.units, len(data.train.targets))
    instrument = choose_instrument(settings.gradients, *measured, named_estimator)
    return Training(
        model, task, estimators, optimizer, scheduler, data, seeds, settings.trainer, instrument
    )
