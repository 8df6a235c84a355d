"""A checkpoint: one file in which damage is detected, and which is read without running code.

It is a file of torch.save, that is a zip file whose members have checksums, with a header as one
more member, so `torch.load("checkpoint.pt")` opens it anywhere.
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

from bnrun.config.sentence import first_line
from bnrun.recording.files import Digest, replaced

CHECKPOINT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
FORMAT = 2
"""Increased whenever an older bnrun could not read the state."""

# torch.save names the folder in its zip file "archive", and expects all members in it.
_HEADER = "archive/header.json"


class DamagedError(ValueError):
    """The file is not the checkpoint that was written."""


class Header(BaseModel):
    """What can be read of a checkpoint without its tensors.

    config   the run's config without keys that do not affect results, flat: key -> value
    data     file or array -> sha256
    code     that wrote it, see bnrun.run.identity
    step     updates done
    history  file of the run's history -> its size and sha256 when the checkpoint was written;
             checkpoints of older versions have the size alone, and no event files
    final    whether the training had ended
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    bnrun: str = version("bnrun")
    torch: str = version("torch")
    config: dict[str, Any]
    data: dict[str, Any]
    code: dict[str, Any] = {}
    step: int = 0
    history: dict[str, Digest | int] = {}
    final: bool = False


def write_checkpoint(folder: Path, header: Header, state: Mapping[str, Any]) -> None:
    """Write the checkpoint of a run's folder; the one before becomes the previous one.

    One of the two is intact at any moment. Raises OSError if the folder cannot be written.
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
        # Only now, when the new one can no longer fail because the disk is full.
        if path.exists():
            path.replace(folder / PREVIOUS)


def read_header(path: Path) -> Header:
    """The header alone. Raises DamagedError, or ValueError for the format of another version."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(_HEADER))
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read ({error.strerror})") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, NotImplementedError) as error:
        raise DamagedError(f"{path.name} is damaged ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path.name} is damaged (its header is not a JSON object)")
    if content.get("format") != FORMAT:
        raise ValueError(
            f"{path}: has format {content.get('format')} of bnrun {content.get('bnrun', '?')}, but "
            f"bnrun {version('bnrun')} reads format {FORMAT}; use resume=never to restart from "
            f"step 0"
        )
    try:
        return Header.model_validate(content)
    except ValidationError as error:
        raise DamagedError(f"{path.name} is damaged (its header is incomplete)") from error


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """The state, with its tensors on `device`. Raises DamagedError.

    Reads nothing but tensors and plain values, whatever the file contains.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
        if member is not None:
            raise DamagedError(f"{path.name} is damaged (the checksum of {member} is wrong)")
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
        raise DamagedError(f"{path.name} is damaged ({first_line(error)})") from error
    return state
