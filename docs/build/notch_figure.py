"""Draw docs/results/binarygan-notch.svg: one net's sigmoid outputs in three histograms.

python docs/build/notch_figure.py outputs/binarygan/RUN

The outputs of a trained generator as floats over [0, 1]; as bytes, p * 255 cut off, over 0 .. 255;
and the same bytes over the range from their smallest to their largest value. 256 bins each. Prints
the largest byte and the empty bins of each.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray

from bnrun.config.settings import Settings
from bnrun.core.noise import Noise
from bnrun.run.build import build_training
from bnrun.run.checkpoint import CHECKPOINT, read_state
from bnrun.tasks.gan.evaluation import generated

BINS = 256
IMAGES = 10_000
FIGURE = Path(__file__).parents[1] / "results" / "binarygan-notch.svg"


def main() -> None:
    """Write the figure, and print what is empty."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of experiment=binarygan")
    outputs = sigmoid_outputs(parser.parse_args().run)
    levels = (outputs * 255).astype(np.uint8)
    histograms = {
        "floats over [0, 1]": np.histogram(outputs, BINS, (0, 1)),
        "bytes over 0 .. 255": np.histogram(levels, BINS, (0, 255)),
        "bytes over their own range": np.histogram(levels, BINS),
    }
    print(f"largest byte {levels.max()}, outputs of exactly 1: {int((outputs == 1).sum())}")
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained", sharey=True)
    for axis, (title, (counts, edges)) in zip(axes, histograms.items(), strict=True):
        empty = [f"{e / edges[-1]:.4f}" for e, n in zip(edges, counts, strict=False) if n == 0]
        print(f"{title}: {len(empty)} empty bins, which begin at {', '.join(empty[:8])}")
        axis.stairs(counts / counts.sum(), edges / edges[-1], baseline=None)
        axis.set(title=title, yscale="log", xlabel="sigmoid output")
    axes[0].set_ylabel("share of the outputs")
    figure.savefig(FIGURE)


def sigmoid_outputs(run: Path) -> NDArray[np.float32]:
    """Probabilities of the pixels of generated images, of the run's first seed, flat."""
    config = json.loads((run / "result.json").read_text())["config"]
    config["task"]["judge_steps"] = 1  # of a classifier that is not used here
    state = read_state(run / CHECKPOINT, torch.device("cpu"))
    training = build_training(config, Settings.model_validate(config))
    training.load_state_dict(state["training"])
    neurons = [estimator.evaluation_neuron for estimator in training.current_estimators()]
    noise = Noise(training.seeds, "notch")
    latent = noise.normal(torch.empty(len(training.seeds), IMAGES, config["task"]["latent"]))
    with torch.no_grad():
        *_, (_, images) = generated(training.model, neurons, latent, noise)  # mean-field
    return images[0].flatten().numpy()


if __name__ == "__main__":
    main()
