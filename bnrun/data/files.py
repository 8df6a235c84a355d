"""Files that others publish: found on this machine or downloaded, and always checked."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bnrun.core.fields import validated
from bnrun.data.base import Dataset
from bnrun.data.download import cache_folder, download, uncompressed
from bnrun.data.errors import DataError


@validated
class File:
    """A published file.

    name    as on the mirrors, e.g. "train-images-idx3-ubyte.gz"
    sha256  in hexadecimal; of what, is said by `PublishedFiles.sha256_of`
    md5     in its place where no sha256 is published: it finds damage, but no forgery

    Raises ValueError on construction unless there is one of both.
    """

    name: Annotated[str, Field(pattern=r"^[^/]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    def __post_init__(self) -> None:
        if (self.sha256 is None) == (self.md5 is None):
            raise ValueError(
                f"{self.name} is checked by its sha256 or, where there is none, by its md5: give "
                f"one of them"
            )

    @property
    def known(self) -> str:
        """Algorithm and sum, as in "md5:21ec..."."""
        return f"md5:{self.md5}" if self.sha256 is None else f"sha256:{self.sha256}"


@validated
class PublishedFiles(Dataset):
    """Where a dataset's files are and what they must be; the base of the sources of such data.

    name       of the dataset, e.g. "mnist"
    mirrors    addresses of folders, tried in turn, each ending in "/"
    files      what a file is for -> the file
    sha256_of  "content": of the uncompressed bytes, so that a recompressed or plain copy is as
               good as the published one. "published": of the file as it is published; only
               byte-for-byte copies are accepted then
    root       folder that holds the files; null looks in the places below
    folders    further folders in which this dataset may be installed

    Places, in this order: $BNRUN_DATA/<name>, `folders`, the cache, and last the mirrors, from
    which the files go to the cache. The first copy found is the one used: if its sum is wrong
    that is an error, never a reason to look on or to overwrite it.
    """

    name: Annotated[str, Field(min_length=1)]
    mirrors: list[Annotated[str, Field(pattern=r"^https?://.+/$")]]
    files: dict[str, File]
    sha256_of: Literal["content", "published"] = "content"
    root: Path | None = None
    folders: list[Path] = Field(default_factory=list)

    purposes: ClassVar[Sequence[str]]
    """What there must be a file for, no more and no less; a source says it."""

    def __post_init__(self) -> None:
        if set(self.files) != set(self.purposes):
            raise ValueError(
                f"dataset.files has {', '.join(self.files) or 'nothing'}: "
                f"it must have {', '.join(self.purposes)}"
            )

    def read(self, purpose: str) -> bytes:
        """The uncompressed content of the file for `purpose`, after its check.

        Raises DataError if the file is missing and cannot be had, or is not what it must be.
        """
        file = self.files[purpose]
        path = self._find(file) or self._download(file)
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
        content = uncompressed(stored, path)
        self._check(file, path, content if self.sha256_of == "content" else stored)
        return content

    def _check(self, file: File, path: Path, checked: bytes) -> None:
        algorithm, _, expected = file.known.partition(":")
        found = hashlib.new(algorithm, checked, usedforsecurity=False).hexdigest()
        if found != expected:
            what = "its uncompressed bytes" if self.sha256_of == "content" else "the file"
            raise DataError(
                f"{path} is damaged or not {self.name}'s: the {algorithm} of {what} is {found}, "
                f"but {expected} is expected; remove it or put a good copy in its place"
            )

    def _find(self, file: File) -> Path | None:
        """The first copy of the file on this machine."""
        for folder in self._places():
            for name in self._names(file):
                if (folder / name).is_file():
                    return folder / name
        if self.root is not None:
            raise DataError(
                f"dataset.root={self.root} has no {' or '.join(self._names(file))}: correct it, "
                f"or leave it out to have {self.name} looked for and downloaded"
            )
        return None

    def _places(self) -> list[Path]:
        if self.root is not None:
            return [self.root.expanduser()]
        folders = [*self.folders, cache_folder(self.name)]
        common = os.environ.get("BNRUN_DATA")
        if not common:
            return folders
        if not Path(common).is_dir():
            raise DataError(
                f"BNRUN_DATA={common} is not a folder: set it to the one that holds "
                f"{self.name}/, or unset it"
            )
        return [Path(common) / self.name, *folders]

    def _names(self, file: File) -> list[str]:
        """Names under which a copy may be kept."""
        if self.sha256_of == "published":
            return [file.name]
        plain = file.name.removesuffix(".gz")
        return [plain, plain + ".gz"]

    def _download(self, file: File) -> Path:
        keep_as = self._names(file)[0]
        folder = cache_folder(self.name)
        return download(self.mirrors, file.name, keep_as, file.known, folder)
