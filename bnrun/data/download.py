"""Downloading a published file: it gets its name only once it is whole and checked."""

import gzip
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bnrun.data.errors import DataError

_CHUNK = 2**16
_TIMEOUT = 30.0  # seconds without a byte


def cache_folder(name: str) -> Path:
    """Where dataset `name` is kept: the platform's cache, ~/.cache/bnrun/<name> on Linux."""
    import pooch

    return Path(pooch.os_cache("bnrun")) / name


def download(
    mirrors: Sequence[str], published: str, keep_as: str, known: str, folder: Path
) -> Path:
    """Get the file `published` from the first mirror that has a good copy.

    keep_as  name of the file in `folder`. A ".gz" that `published` has and `keep_as` has not is
             taken off, so that the kept file is the uncompressed one
    known    algorithm and sum of the file as it is kept, as in "sha256:ad69..."

    Downloads go to a temporary file that is renamed after its check: whatever happens, `folder`
    never holds a part of a file, and of several processes that download at once all end with
    the same good one. Raises DataError, with what went wrong at each mirror.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # its "Downloading ..." would tear the progress bar
    fetch = _Fetch(uncompress=published.endswith(".gz") and not keep_as.endswith(".gz"))
    failures = []
    for mirror in mirrors:
        try:
            return Path(
                pooch.retrieve(
                    mirror + published,
                    known_hash=known,
                    fname=keep_as,
                    path=folder,
                    downloader=fetch,
                )
            )
        except (requests.RequestException, ValueError) as error:
            failures.append(f"{mirror + published}: {_reason(error)}")
        except OSError as error:
            raise DataError(
                f"cannot keep {keep_as} in {folder} ({error.strerror or error}): make that folder "
                f"writable, or put the file into a folder given by dataset.root"
            ) from error
    raise DataError(
        f"{published} could not be downloaded ({'; '.join(failures)}): try again later, or put "
        f"the file into a folder given by dataset.root"
    )


def uncompressed(content: bytes, where: str | Path) -> bytes:
    """`content` without its gzip compression, if it has any. Raises DataError if it is damaged."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where} is damaged: {error}") from error


class _Fetch:
    """pooch's HTTP download, with a progress bar where a person watches."""

    def __init__(self, uncompress: bool) -> None:
        self._uncompress = uncompress

    def __call__(self, url: str, output: str, _: object) -> None:
        import pooch

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        ) as progress:
            pooch.HTTPDownloader(
                progressbar=_Bar(progress, url.rpartition("/")[2]),
                chunk_size=_CHUNK,
                timeout=_TIMEOUT,
                headers={"Accept-Encoding": "identity"},  # the file's own gzip must arrive as it is
            )(url, output, None)
        if self._uncompress:
            path = Path(output)
            path.write_bytes(uncompressed(path.read_bytes(), "what came"))


class _Bar:
    """A bar of rich, with the attribute and the methods that pooch uses."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)  # 0: the server did not say

    def update(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop_task(self._task)


def _reason(error: Exception) -> str:
    """What went wrong at a mirror, in few words."""
    import requests

    match error:
        case requests.HTTPError(response=requests.Response() as response):
            return f"the server answers {response.status_code} {response.reason}"
        case requests.exceptions.SSLError():
            return "its certificate is not accepted"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection broke off"
        case requests.ConnectionError():
            return "no connection"
    return " ".join(str(error).split())
