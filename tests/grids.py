"""Studies of two neurons and two estimators, with a history of every run."""

from pathlib import Path

import numpy as np
from studies import far, finish

from bnrun.recording.metrics import MetricsFile

STUDY = Path("study")


def history(place: Path, values: list[list[float]], steps_per_epoch: int = 10) -> None:
    """One point of loss/train per epoch, each a row over seeds."""
    file = MetricsFile(place, list(range(len(values[0]))))
    for epoch, row in enumerate(values):
        file.append(epoch * steps_per_epoch, float(epoch), 0.5 * epoch, {"loss/train": row})
    file.close()


def write_grid(**options: int) -> dict[tuple[str, str], np.ndarray]:
    """Runs of two neurons and two estimators, three seeds, four points; their values [T, R]."""
    rng = np.random.default_rng(0)
    by_name = {}
    for neuron in ("dbn", "sbn"):
        for estimator in ("st", "reinmax"):
            values = rng.random((4, 3))
            history(
                finish(f"{neuron}-{estimator}", far(0.0, 3), estimator, neuron),
                values.tolist(),
                options.get(neuron, 10),
            )
            by_name[neuron, estimator] = values
    return by_name
