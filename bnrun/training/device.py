"""Where a training computes: the device, the dtype, and the data there."""

from collections.abc import Mapping

import torch

from bnrun.data.base import Data, Dataset, Split, as_data
from bnrun.data.errors import DataError
from bnrun.data.loading import loaded
from bnrun.tasks.base import Task
from bnrun.training.memory import keep_freed_memory


def prepare_process(dtype: str) -> None:
    """Settings of the whole process: the default dtype, and what makes training on a CPU fast."""
    # Subnormal numbers slow CPU arithmetic down several times once p (1 - p) underflows.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    torch.set_default_dtype(getattr(torch, dtype))


def choose_device(name: str) -> torch.device:
    """The device called "cpu", "cuda" or "auto", which is cuda if available.

    Raises ValueError for "cuda" if there is no CUDA device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: there is no CUDA device here, use device=cpu or device=auto")
    return torch.device(name)


def prepared_data(dataset: Dataset, task: Task, device: torch.device) -> Data:
    """The data as the net is to see them, on the device; checked as loaded and as prepared.

    Raises DataError if they are not what they should be.
    """
    data = loaded(dataset)
    prepared = as_data(task.prepared(data), f"task {type(task).__name__}.prepared")
    if prepared.augment.active:
        _check_images(prepared, data, task)
    return move(prepared, device, data.hashes)


def _check_images(prepared: Data, data: Data, task: Task) -> None:
    """Check that examples are still the images, whose targets do not change with them."""
    if prepared.shape != data.shape or prepared.train.targets is not data.train.targets:
        raise DataError(
            f"dataset.augment changes images at every step, but task {type(task).__name__} makes "
            f"its inputs and targets of them before the training: leave dataset.augment out"
        )


def move(data: Data, device: torch.device, hashes: Mapping[str, str] | None = None) -> Data:
    """The data on a device, with floating-point numbers in the default dtype, checked again.

    hashes  None takes those of the data

    Raises DataError if a task has made them what they must not be.
    """
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
        hashes=dict(data.hashes if hashes is None else hashes),
        augment=data.augment,
    )
