"""A checkpoint: one file that is whole or damaged for all to see, and read without running code.

It is what torch.save writes, a zip file whose members carry checksums, with the header as one
more member: `torch.load("checkpoint.pt")` opens it anywhere.
"""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from bnrun.recording.files import replaced

CHECKPOINT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
FORMAT = 2
"""Raised whenever an older bnrun could not make sense of the state."""

# torch.save calls the folder in its zip file "archive", and wants all members in it.
_HEADER = "archive/header.json"


class DamagedError(ValueError):
    """A file that is not the checkpoint that was written."""


class Header(BaseModel):
    """What is known of a checkpoint without its tensors.

    config   the run's config without what cannot change its results, flat: key -> value
    data     file or array -> sha256
    history  file of the run's history -> its length when the checkpoint was written, in bytes
    final    whether the training had ended
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    bnrun: str = version("bnrun")
    torch: str = version("torch")
    config: dict[str, Any]
    data: dict[str, Any]
    step: int = 0
    history: dict[str, int] = {}
    final: bool = False


def write_checkpoint(folder: Path, header: Header, state: Mapping[str, Any]) -> None:
    """Make the state the checkpoint of a run's folder; the one before becomes the previous one.

    At every moment one of the two is whole. Raises OSError if the folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(_HEADER, header.model_dump_json())
    path = folder / CHECKPOINT
    with replaced(path) as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
        # Only now, when the new one cannot fail for want of space.
        if path.exists():
            path.replace(folder / PREVIOUS)


def read_header(path: Path) -> Header:
    """The header alone. Raises DamagedError; ValueError for the format of another version."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(_HEADER))
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read ({error.strerror})") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise DamagedError(f"{path.name} is damaged ({_first_line(error)})") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise ValueError(
            f"{path}: has format {found} of bnrun {content.get('bnrun', '?')}, "
            f"bnrun {version('bnrun')} reads format {FORMAT}; resume=never begins the run anew"
        )
    try:
        return Header.model_validate(content)
    except ValidationError as error:
        raise DamagedError(f"{path.name} is damaged (its header is not whole)") from error


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """The state, with its tensors on `device`. Raises DamagedError.

    Nothing but tensors and plain values is read, whatever the file says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise DamagedError(f"{path.name} is damaged (the checksum of {broken} is wrong)")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read ({error.strerror})") from error
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        ValueError,
        EOFError,
    ) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{path.name} is damaged ({_first_line(error)})") from error
    return state


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
