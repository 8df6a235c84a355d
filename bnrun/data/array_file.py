"""Reading named arrays from NumPy's .npz files and from dictionaries saved by torch."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bnrun.data.errors import DataError

Array = npt.NDArray[np.generic]

_KINDS = {
    ".npz": "arrays saved by numpy.savez",
    ".pt": "a dictionary of tensors saved by torch.save",
    ".pth": "a dictionary of tensors saved by torch.save",
}


def read_arrays(path: Path) -> dict[str, Array]:
    """Return all arrays of a file, by name. Python objects in it are never unpickled.

    Raises DataError if the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise DataError(f"dataset.path={path} is not a file: correct the path")
    if path.suffix not in _KINDS:
        raise DataError(
            f"dataset.path={path} must end in {', '.join(_KINDS)}: save the data as one of these"
        )
    try:
        return _read_numpy(path) if path.suffix == ".npz" else _read_torch(path)
    except (DataError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"{path} cannot be read: it must hold {_KINDS[path.suffix]}, whole and without Python "
            f"objects"
        ) from error


def _read_numpy(path: Path) -> dict[str, Array]:
    with zipfile.ZipFile(path) as archive:
        return {
            member.filename.removesuffix(".npy"): _read_member(archive, member, path)
            for member in archive.infolist()
        }


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> Array:
    name = member.filename.removesuffix(".npy")
    damaged = f"{path}: {name} cannot be read: it is damaged, or no array saved by numpy.savez"
    try:
        with archive.open(member) as file:
            shape, dtype = _header(file)
            size = member.file_size - file.tell()
    except Exception as error:
        raise DataError(damaged) from error
    if dtype.hasobject:
        raise DataError(
            f"{path} cannot be read: it must hold {_KINDS['.npz']}, whole and without Python "
            f"objects, but {name} has objects"
        )
    expected = math.prod(shape) * dtype.itemsize
    if expected != size:
        raise DataError(
            f"{path}: {name} cannot be read: its header describes shape {shape} of {dtype}, "
            f"{expected} bytes, but it has {size}: save it again"
        )
    try:
        with archive.open(member) as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
            return array
    except MemoryError:  # A whole array, which is too large for this machine.
        raise
    except Exception as error:
        raise DataError(damaged) from error


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an array in NumPy's format; leaves the file where the numbers start.

    The header is a line of Python, of which only literals are evaluated. Damaged, it makes NumPy
    raise almost anything: a TokenError, a SyntaxError, a MemoryError.
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _read_torch(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):  # torch's format since 1.6; older files are bare pickles
        raise zipfile.BadZipFile
    with warnings.catch_warnings():
        # Newer versions of torch say that they check sparse tensors, which are refused below.
        warnings.filterwarnings("ignore", message="Validating sparse tensor invariants")
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(tensors, dict):
        raise DataError(f"{path} holds a {type(tensors).__name__}, but must hold a dictionary")
    others = [str(key) for key, value in tensors.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise DataError(f"{path}: {', '.join(others)} must be tensors")
    return {str(key): _numpy(tensor, f"{path}: {key}") for key, tensor in tensors.items()}


def _numpy(tensor: torch.Tensor, place: str) -> Array:
    try:
        # NumPy has no bfloat16.
        array = (tensor.float() if tensor.is_floating_point() else tensor).detach()
        return array.resolve_conj().numpy()
    except Exception as error:
        raise DataError(f"{place} must be a dense tensor of plain numbers") from error
