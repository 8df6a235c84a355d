"""Base class of published datasets, whose files are found or downloaded, and always checked."""

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

    name    on the mirrors, e.g. "train-images-idx3-ubyte.gz"
    sha256  in hexadecimal; `PublishedFiles.sha256_of` says of what
    md5     instead, if no sha256 is published: it detects damage, but not forgery

    Raises ValueError unless exactly one of the two sums is given.
    """

    name: Annotated[str, Field(pattern=r"^[^/]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    def __post_init__(self) -> None:
        if (self.sha256 is None) == (self.md5 is None):
            raise ValueError(
                f"{self.name} must have a sha256 or an md5, and not both: give one of them"
            )

    @property
    def known(self) -> str:
        """Algorithm and checksum, as in "md5:21ec..."."""
        return f"md5:{self.md5}" if self.sha256 is None else f"sha256:{self.sha256}"


@validated
class PublishedFiles(Dataset):
    """A dataset in published files: where they are, and their checksums.

    A subclass must set `purposes` and define `load`, with the help of `read_all` and `hashes`.

    name       of the dataset, e.g. "mnist"
    mirrors    URLs of folders, tried in turn, each ending in "/"
    files      purpose -> file, e.g. "train_images" -> train-images-idx3-ubyte.gz
    sha256_of  what the checksums are of. "content": the uncompressed bytes, so that a recompressed
               or uncompressed copy is as good as the published one. "published": the file as
               published, so that only byte-for-byte copies are accepted
    root       folder with the files; null looks in the places below
    folders    more folders where this dataset may be installed

    The places are, in this order: $BNRUN_DATA/<name>, `folders`, the cache, and at last the
    mirrors, from which files are downloaded into the cache. The first copy found is used: if its
    checksum is wrong, that is an error, and no other place is tried nor anything overwritten.
    """

    name: Annotated[str, Field(min_length=1)]
    mirrors: list[Annotated[str, Field(pattern=r"^https?://.+/$")]]
    files: dict[str, File]
    sha256_of: Literal["content", "published"] = "content"
    root: Path | None = None
    folders: list[Path] = Field(default_factory=list)

    purposes: ClassVar[Sequence[str]]
    """The keys that `files` must have."""

    def __post_init__(self) -> None:
        if set(self.files) != set(self.purposes):
            raise ValueError(
                f"dataset.files has {', '.join(self.files) or 'nothing'}: "
                f"it must have {', '.join(self.purposes)}"
            )

    def sources(self) -> Sequence[Path]:
        """Return none, because the checksums of all files are in the config."""
        return []

    def read(self, purpose: str) -> bytes:
        """Return the uncompressed content of the file for `purpose`, after checking it.

        Raises DataError if the file can neither be found nor downloaded, or has the wrong checksum.
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

    def read_all(self) -> dict[str, bytes]:
        """Return the uncompressed content of every file, by purpose. Raises DataError."""
        return {purpose: self.read(purpose) for purpose in self.purposes}

    def hashes(self, contents: dict[str, bytes]) -> dict[str, str]:
        """Return the sha256 of each content by the name of its file, for `Data.hashes`."""
        return {
            self.files[purpose].name.removesuffix(".gz"): hashlib.sha256(content).hexdigest()
            for purpose, content in contents.items()
        }

    def _check(self, file: File, path: Path, checked: bytes) -> None:
        algorithm, _, expected = file.known.partition(":")
        actual = hashlib.new(algorithm, checked, usedforsecurity=False).hexdigest()
        if actual != expected:
            what = "its uncompressed bytes" if self.sha256_of == "content" else "the file"
            raise DataError(
                f"{path} is damaged or not from {self.name}: the {algorithm} of {what} is "
                f"{actual}, but {expected} is expected; remove it or replace it by a good copy"
            )

    def _find(self, file: File) -> Path | None:
        """The first copy of the file on this machine; None if there is none."""
        for folder in self._places():
            for name in self._names(file):
                if (folder / name).is_file():
                    return folder / name
        if self.root is not None:
            raise DataError(
                f"dataset.root={self.root} has no {' or '.join(self._names(file))}: correct it, "
                f"or leave it out to have {self.name} found or downloaded"
            )
        return None

    def _places(self) -> list[Path]:
        if self.root is not None:
            return [self.root.expanduser()]
        folders = [*(folder.expanduser() for folder in self.folders), cache_folder(self.name)]
        shared = os.environ.get("BNRUN_DATA")
        if not shared:
            return folders
        if not Path(shared).expanduser().is_dir():
            raise DataError(
                f"BNRUN_DATA={shared} is not a folder: set it to the folder that holds "
                f"{self.name}/, or unset it"
            )
        return [Path(shared).expanduser() / self.name, *folders]

    def _names(self, file: File) -> list[str]:
        """Names that a copy may have; the first is the name in the cache."""
        if self.sha256_of == "published":
            return [file.name]
        plain = file.name.removesuffix(".gz")
        return [plain, plain + ".gz"]

    def _download(self, file: File) -> Path:
        keep_as = self._names(file)[0]
        folder = cache_folder(self.name)
        return download(self.mirrors, file.name, keep_as, file.known, folder)
