"""Files are downloaded once, checked, and never kept if they are wrong."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from data_files import NAMES, options, packed, sha256, tiny_mnist
from data_server import dead_address, serving

from bnrun.data import files
from bnrun.data.download import cache_folder, download
from bnrun.data.errors import DataError
from bnrun.data.files import File
from bnrun.data.idx import Idx

CONTENTS = tiny_mnist()
PUBLISHED = {NAMES[purpose]: packed(content) for purpose, content in CONTENTS.items()}
PLAIN = sorted(name.removesuffix(".gz") for name in PUBLISHED)
IMAGES = NAMES["train_images"]


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of the dataset `tiny` in an empty cache."""
    monkeypatch.setattr(files, "cache_folder", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("BNRUN_DATA", raising=False)
    return tmp_path / "cache" / "tiny"


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def source(*mirrors: str, **others: str) -> Idx:
    return Idx(**options(CONTENTS, mirrors=list(mirrors), **others))


def test_files_are_downloaded_once_and_kept_uncompressed(cache, capfd):
    with serving(PUBLISHED) as server:
        data = source(server.address).load()
        assert sorted(server.asked) == sorted(PUBLISHED)
        again = source(server.address).load()
        assert len(server.asked) == 4
    assert data.hashes == again.hashes
    assert kept(cache) == PLAIN
    assert (cache / PLAIN[-2]).read_bytes() == CONTENTS["train_images"]
    # No progress bar, nor anything else, if stderr is not a terminal.
    assert capfd.readouterr() == ("", "")


def test_files_with_published_checksums_are_kept_compressed(cache):
    with serving(PUBLISHED) as server:
        data = source(server.address, sha256_of="published").load()
    assert kept(cache) == sorted(PUBLISHED)
    assert len(data.train.targets) == 50


def test_a_dead_mirror_is_skipped(cache):
    with serving(PUBLISHED) as server:
        data = source(dead_address(), server.address).load()
    assert len(data.test.targets) == 20
    assert kept(cache) == PLAIN


@pytest.mark.parametrize("fault", ["truncated", "wrong", "missing", "damaged", "page"])
def test_a_bad_copy_is_never_kept_and_the_next_mirror_is_tried(cache, fault):
    good = PUBLISHED[IMAGES]
    bad = {
        "wrong": packed(CONTENTS["train_images"][:-1] + b"\0"),
        "damaged": good[:-30],
        "page": b"<html>sign in</html>",
    }
    contents = {**PUBLISHED, IMAGES: bad.get(fault, good)}
    if fault == "missing":
        del contents[IMAGES]
    cut_to = {IMAGES: len(good) // 2} if fault == "truncated" else None
    with serving(contents, cut_to) as first:
        with pytest.raises(DataError) as caught:
            source(first.address).load()
        assert kept(cache) == []
        with serving(PUBLISHED) as second:
            source(first.address, second.address).load()
            assert second.asked == [IMAGES]
    assert kept(cache) == PLAIN

    reasons = {
        "truncated": "the connection was lost",
        "wrong": sha256(CONTENTS["train_images"][:-1] + b"\0"),
        "missing": "the server answered 404 Not Found",
        "damaged": "the downloaded file is damaged",
        "page": sha256(bad["page"]),
    }
    message = str(caught.value)
    assert message.startswith(f"{IMAGES} could not be downloaded ({first.address}{IMAGES}: ")
    assert reasons[fault] in message
    assert message.endswith(
        "): try again later, or put the file into a folder of your own and set dataset.root"
    )
    assert "\n" not in message


def test_every_mirror_that_failed_is_named(cache):
    dead = dead_address()
    with serving({}) as empty, pytest.raises(DataError) as caught:
        source(dead, empty.address).load()
    assert (
        f"{dead}{IMAGES}: no connection; {empty.address}{IMAGES}: the server answered 404"
        in str(caught.value)
    )


def test_running_again_downloads_only_what_is_missing(cache):
    part = {name: PUBLISHED[name] for name in list(PUBLISHED)[:2]}
    with serving(part) as server, pytest.raises(DataError, match="t10k-images"):
        source(server.address).load()
    assert len(kept(cache)) == 2
    with serving(PUBLISHED) as server:
        source(server.address).load()
        assert sorted(server.asked) == sorted(set(PUBLISHED) - set(part))


_CHILD = """
import sys
from pathlib import Path
from bnrun.data.download import download
print(download([sys.argv[1]], sys.argv[2], sys.argv[3], sys.argv[4], Path(sys.argv[5])))
"""


def test_two_processes_that_download_at_once_end_up_with_one_good_file(cache):
    content = CONTENTS["train_images"]
    keep_as = IMAGES.removesuffix(".gz")
    # Neither gets an answer before both have asked.
    with serving(PUBLISHED, together=threading.Barrier(2)) as server:
        command = [sys.executable, "-c", _CHILD, server.address, IMAGES, keep_as]
        children = [
            subprocess.Popen(
                [*command, f"sha256:{sha256(content)}", str(cache)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        printed = [child.communicate(timeout=60)[0].strip() for child in children]
        assert [child.returncode for child in children] == [0, 0]
        assert server.asked == [IMAGES, IMAGES]
    assert printed == [str(cache / keep_as)] * 2
    assert kept(cache) == [keep_as]
    assert (cache / keep_as).read_bytes() == content


def test_interrupted_download_leaves_nothing(cache, monkeypatch):
    import pooch

    def interrupted(self, url, output, pooch_):
        Path(output).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        source("http://127.0.0.1:9/").load()
    assert kept(cache) == []


def test_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    with serving(PUBLISHED) as server, pytest.raises(DataError) as caught:
        download(
            [server.address], IMAGES, IMAGES, f"sha256:{'0' * 64}", tmp_path / "blocked" / "tiny"
        )
    message = str(caught.value)
    assert message.startswith(f"cannot write {IMAGES} to {tmp_path / 'blocked' / 'tiny'} (")
    assert message.endswith(
        "make that folder writable, or put the file into a folder of your own and set dataset.root"
    )


def test_progress_is_shown_on_a_terminal(cache, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with serving(PUBLISHED) as server:
        source(server.address).load()
    shown = capsys.readouterr()
    assert shown.out == ""
    for name in PUBLISHED:
        assert name in shown.err


def test_cache_is_the_platforms_folder_for_bnrun():
    assert cache_folder("mnist").parts[-2:] == ("bnrun", "mnist")


@pytest.mark.parametrize("sums", [{}, {"sha256": "0" * 64, "md5": "0" * 32}])
def test_a_file_needs_exactly_one_checksum(sums):
    with pytest.raises(ValueError, match="must have a sha256 or an md5, and not both"):
        File(name="a.gz", **sums)
