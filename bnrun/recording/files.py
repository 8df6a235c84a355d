"""Files that are either complete or absent, and whether they have changed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple


class Digest(NamedTuple):
    """The number of bytes of a file, or of its beginning, and their sha256."""

    size: int
    sha256: str


class Digester:
    """The digest of what was written to a file so far."""

    def __init__(self) -> None:
        self._size, self._hash = 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Take what is appended to the file."""
        self._size += len(data)
        self._hash.update(data)

    @property
    def digest(self) -> Digest:
        """Of all bytes that were added."""
        return Digest(self._size, self._hash.hexdigest())


def digest(path: Path, size: int | None = None) -> Digest | None:
    """The digest of a file, or of its first `size` bytes; None if they cannot be read."""
    digester = Digester()
    try:
        with path.open("rb") as file:
            while data := file.read(2**20 if size is None else min(2**20, size)):
                digester.add(data)
                size = None if size is None else size - len(data)
    except OSError:
        return None
    return digester.digest


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which replaces `path` when the block ends without an error.

    Until then, and after an error or a crash, `path` is unchanged. The new content is on the disk
    before the name points to it, so a power failure leaves either the old file or the new one.

    Raises OSError if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, completely or not at all; a link by that name is replaced."""
    with replaced(path) as file:
        file.write(text.encode())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mark(path: Path) -> tuple[int, int] | None:
    """A value that changes whenever the file does; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
