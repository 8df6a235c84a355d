"""Tiny files in the forms of published datasets, for tests without a network."""

import gzip
import hashlib
import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    "train_images": "train-images-idx3-ubyte.gz",
    "train_targets": "train-labels-idx1-ubyte.gz",
    "test_images": "t10k-images-idx3-ubyte.gz",
    "test_targets": "t10k-labels-idx1-ubyte.gz",
}


def idx(array: np.ndarray) -> bytes:
    """`array` of unsigned bytes in IDX format."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def tiny_mnist(train: int = 60, test: int = 20, side: int = 28) -> dict[str, bytes]:
    """Uncompressed contents of the four files, random images with targets 0, 1, .. 9, 0, ..."""
    generator = np.random.default_rng(0)

    def images(count: int) -> np.ndarray:
        return generator.integers(0, 256, (count, side, side), dtype=np.uint8)

    def targets(count: int) -> np.ndarray:
        return np.arange(count, dtype=np.uint8) % 10

    return {
        "train_images": idx(images(train)),
        "train_targets": idx(targets(train)),
        "test_images": idx(images(test)),
        "test_targets": idx(targets(test)),
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(content: bytes) -> bytes:
    """Compress `content` always to the same bytes, so that their sha256 is known."""
    return gzip.compress(content, mtime=0)


def write(folder: Path, contents: dict[str, bytes], compressed: bool = True) -> None:
    """The four files under their published names, or uncompressed without .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for purpose, content in contents.items():
        name = NAMES[purpose] if compressed else NAMES[purpose].removesuffix(".gz")
        (folder / name).write_bytes(packed(content) if compressed else content)


def files(contents: dict[str, bytes], sha256_of: str = "content") -> dict[str, dict[str, str]]:
    """The entry `dataset.files` for the contents."""
    return {
        purpose: {
            "name": NAMES[purpose],
            "sha256": sha256(content if sha256_of == "content" else packed(content)),
        }
        for purpose, content in contents.items()
    }


def options(contents: dict[str, bytes], **others: Any) -> dict[str, Any]:
    """Arguments of bnrun.data.idx.Idx for the contents, with 10 validation examples."""
    chosen = {"name": "tiny", "mirrors": [], "validation": 10, **others}
    return {**chosen, "files": files(contents, chosen.get("sha256_of", "content"))}


def amat(bits: np.ndarray) -> bytes:
    """Rows of zeros and ones as text, one per line."""
    return b"".join(b" ".join(b"%d" % bit for bit in row) + b"\n" for row in bits)


def tiny_bits() -> dict[str, np.ndarray]:
    """Splits of binarized images of 784 pixels, [N, 784]."""
    generator = np.random.default_rng(0)
    sizes = {"train": 20, "validation": 10, "test": 10}
    return {split: generator.integers(0, 2, (size, 784)) for split, size in sizes.items()}


def tiny_cifar(rows: int = 4) -> dict[str, np.ndarray]:
    """The batches of CIFAR-10: records [rows, 3073] of a target and the pixels."""
    generator = np.random.default_rng(0)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return {
        name: np.column_stack(
            [generator.integers(0, 10, rows), generator.integers(0, 256, (rows, 3072))]
        ).astype(np.uint8)
        for name in names
    }


def cifar_archive(batches: dict[str, Any]) -> bytes:
    """Batches, as arrays or bytes, as the published .tar.gz file holds them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, batch in batches.items():
            content = bytes(batch)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return packed(buffer.getvalue())


def tiny_omniglot() -> dict[str, np.ndarray]:
    """Arrays of the MATLAB file: 200 and 50 images whose first pixel is their index / 1000."""
    generator = np.random.default_rng(0)
    made = {}
    for kind, count in (("", 200), ("test", 50)):
        made[f"{kind}data"] = generator.random((784, count))
        made[f"{kind}data"][0] = np.arange(count) / 1000
        made[f"{kind}target"] = np.eye(50)[np.arange(count) % 50].T
    return made
