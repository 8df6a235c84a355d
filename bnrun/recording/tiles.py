"""Many small grey pictures in one."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ZERO = 127
# Pixels, because browsers show small images at their own size.
_WIDTH = 256


def tile(pictures: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A square grid of N pictures [N, H, W] with black lines between them, [height, width].

    Each picture is scaled by its own largest absolute value: black is negative, mid grey 0, white
    positive. Values that are not finite are shown as 0. Pixels are enlarged until the grid is about
    256 wide.
    """
    pictures = np.nan_to_num(pictures, nan=0.0, posinf=0.0, neginf=0.0)
    number, height, width = pictures.shape
    largest = np.abs(pictures).max(axis=(1, 2), keepdims=True)
    scaled = pictures / np.where(largest > 0, largest, 1.0)
    columns = math.ceil(math.sqrt(number))
    rows = math.ceil(number / columns)
    factor = max(1, _WIDTH // (columns * width))
    grid = np.zeros((rows * columns, height * factor + 1, width * factor + 1), dtype=np.uint8)
    grey = np.rint(_ZERO * (1 + scaled)).astype(np.uint8)
    grid[:number, :-1, :-1] = grey.repeat(factor, axis=1).repeat(factor, axis=2)
    joined = grid.reshape(rows, columns, *grid.shape[1:]).swapaxes(1, 2)
    return joined.reshape(rows * grid.shape[1], columns * grid.shape[2])


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Grey pixels [height, width] as a PNG file; three channels would take 0.04 s longer."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png")
    return file.getvalue()
