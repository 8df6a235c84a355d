"""Draw docs/binarygan.png: the images of the four generators of experiment=binarygan.

python docs/build/binarygan_figure.py outputs/binarygan

Top: 64 images of the first seed at the end of training. Bottom: histogram of the sigmoid outputs,
256 bins over [0, 1], shares on a logarithmic scale from 1e-5 to 1. Both are read from the images
that the runs logged to TensorBoard.
"""

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PANELS = (
    ("DBN", "dbn", "thresholded"),
    ("SBN", "sbn", "sampled"),
    ("real, hard threshold", "real", "thresholded"),
    ("real, Bernoulli sampling", "real", "sampled"),
)
BINS = 256
FIGURE = Path(__file__).parents[1] / "binarygan.png"


def main() -> None:
    """Write the figure. Raises StopIteration if one of the three runs is not finished."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("study", type=Path, help="folder of the runs, e.g. outputs/binarygan")
    study = parser.parse_args().study
    runs = {neuron: next(plain_runs(study, neuron)) for neuron in ("dbn", "sbn", "real")}
    figure, axes = plt.subplots(
        2, len(PANELS), figsize=(10, 3.6), height_ratios=(3, 1), layout="constrained"
    )
    for column, (title, neuron, way) in zip(axes.T, PANELS, strict=True):
        images, outputs = last(runs[neuron], f"samples/{way}"), histogram(runs[neuron])
        column[0].imshow(images, cmap="gray", interpolation="none")
        column[0].set_title(title, fontsize=9)
        column[1].imshow(outputs, cmap="gray_r", aspect="auto", extent=(0, 1, -5, 0))
        column[1].set_yticks([-5, 0], ["1e-5", "1"], fontsize=7)
        column[1].set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=7)
        column[0].set_axis_off()
    figure.savefig(FIGURE, dpi=110)


def plain_runs(study: Path, neuron: str) -> Iterator[Path]:
    """Folders of the runs with this neuron and the experiment's other defaults."""
    for path in sorted(study.glob("*/result.json")):
        config: dict[str, Any] = json.loads(path.read_text())["config"]
        choices = config["choices"]
        plain = (
            choices["game@task.game"] == "wgan_gp"
            and choices["model"] == "generator_mlp"
            and config["model"]["norm"] == "affine"
            and config["estimator"].get("growth", 1) == 1
        )
        if plain and choices["neuron"] == neuron:
            yield path.parent


def last(run: Path, tag: str) -> NDArray[np.float32]:
    """The last image with this tag, [H, W]."""
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    image = plt.imread(io.BytesIO(events.Images(tag)[-1].encoded_image_string))
    return image.reshape(*image.shape[:2], -1)[..., 0]


def histogram(run: Path) -> NDArray[np.float32]:
    """The first seed's histogram, cut out of the grid of all seeds."""
    return last(run, "sigmoid_outputs/histogram")[:96, :BINS]


if __name__ == "__main__":
    main()
