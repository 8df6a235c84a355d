"""From a config to a training: every object is built here, and nowhere else."""

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from bnrun.data.base import Data, Split
from bnrun.estimators.base import Estimator
from bnrun.memory import keep_freed_memory
from bnrun.settings import Settings
from bnrun.tasks.classification import Classification
from bnrun.trainer import Training


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
    specification = instantiate(config.model, _convert_="all")
    make_optimizer = instantiate(config.optimizer, _convert_="all")
    make_scheduler = instantiate(config.scheduler, _convert_="all")
    build_estimator(config)
    data = instantiate(config.dataset, _convert_="all").load()
    model = specification.build(data.shape, data.classes, settings.seed_list).to(device)
    optimizer = make_optimizer(model.parameters())
    return Training(
        model=model,
        task=Classification(),
        estimators=[build_estimator(config) for _ in model.stages],
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer),
        data=place(data, device),
        seeds=settings.seed_list,
        settings=settings.trainer,
    )


def build_estimator(config: DictConfig) -> Estimator:
    """One estimator, to serve one binary layer."""
    estimator = instantiate(config.estimator, _convert_="all")
    if not isinstance(estimator, Estimator):
        raise ValueError(
            f"estimator._target_={config.estimator._target_} is no estimator: "
            f"make it a subclass of bnrun.Estimator"
        )
    return estimator


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
        return Split(split.inputs.to(device, dtype), split.targets.to(device))

    return Data(
        name=data.name,
        train=moved(data.train),
        validation=moved(data.validation),
        test=moved(data.test),
        shape=data.shape,
        classes=data.classes,
        hashes=data.hashes,
    )
