"""Download a published file, so that it gets its name only once it is whole and checked."""

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
    """Return where dataset `name` is cached: ~/.cache/bnrun/<name> on Linux."""
    import pooch

    return Path(pooch.os_cache("bnrun")) / name


def download(
    mirrors: Sequence[str], published: str, keep_as: str, known: str, folder: Path
) -> Path:
    """Download the file `published` from the first mirror that has a good copy; return its path.

    keep_as  name of the file in `folder`. If `published` ends in ".gz" and `keep_as` does not, the
             file is kept uncompressed
    known    algorithm and checksum of the file as kept, as in "sha256:ad69..."

    A download goes to a temporary file, which is renamed once it is checked: `folder` never holds
    half a file, and processes that download at the same time all end up with the same good one.

    Raises DataError, with the reason why each mirror failed.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # its "Downloading ..." would break the progress bar
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
                f"cannot write {keep_as} to {folder} ({error.strerror or error}): make that folder "
                f"writable, or put the file into a folder of your own and set dataset.root"
            ) from error
    raise DataError(
        f"{published} could not be downloaded ({'; '.join(failures)}): try again later, or put "
        f"the file into a folder of your own and set dataset.root"
    )


def uncompressed(content: bytes, where: str | Path) -> bytes:
    """Return `content` without gzip compression, if it has any. Raises DataError if damaged."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where} is damaged: {error}") from error


class _Fetch:
    """pooch's HTTP download, with a progress bar on a terminal."""

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
                headers={"Accept-Encoding": "identity"},  # do not undo the file's own gzip
            )(url, output, None)
        if self._uncompress:
            path = Path(output)
            path.write_bytes(uncompressed(path.read_bytes(), "the downloaded file"))


class _Bar:
    """A progress bar of rich with the interface that pooch uses."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None)

    @property
    def total(self) -> float | None:
        return self._progress.tasks[self._task].total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)  # 0: unknown

    def update(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop_task(self._task)


def _reason(error: Exception) -> str:
    """Why a mirror failed, in a few words."""
    import requests

    match error:
        case requests.HTTPError(response=requests.Response() as response):
            return f"the server answered {response.status_code} {response.reason}"
        case requests.exceptions.SSLError():
            return "its certificate is not valid"
        case requests.Timeout():
            return "it timed out"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection was lost"
        case requests.ConnectionError():
            return "no connection"
    return " ".join(str(error).split())
