"""Golden curves: no step of three small seeded runs may change.

`python tests/test_golden.py` rewrites the curves; commit them separately and say why.
"""

import csv
from pathlib import Path

import pytest
from configured import built

FOLDER = Path(__file__).parent / "golden"
COMMON = ["dtype=float64", "seeds=[3,7]", "trainer.log_every=1", "trainer.samples=2"]
RUNS = {
    "sbn_sigmoid_st_mlp": [
        "estimator.growth=1.1",
        "model.hidden=[30,20]",
        "model.norm=layer",
        "trainer.steps=60",
    ],
    "dbn_st_mlp": [
        "neuron=dbn",
        "estimator=st",
        "optimizer=adam",
        "neuron.signed=true",
        "scheduler=cosine",
        "trainer.clip_norm=1.0",
        "trainer.steps=60",
    ],
    "sbn_sigmoid_st_cnn": [
        "model=cnn",
        "model.channels=[4,6]",
        "model.dense=20",
        "optimizer=adam",
        "trainer.steps=20",
    ],
}


def curve(name):
    """Rows (step, seed, tag, value) of the run's losses, gradient norms and accuracies."""
    training = built([*COMMON, *RUNS[name]])
    rows = []
    for record in training.run():
        for tag, values in sorted(record.scalars.items()):
            if tag.startswith(("loss", "accuracy", "gradient/logits")):
                pairs = zip(training.seeds, values.tolist(), strict=True)
                rows += [(record.step, seed, tag, value) for seed, value in pairs]
    return rows


@pytest.mark.parametrize("name", RUNS)
def test_a_golden_curve_has_not_changed(name):
    with (FOLDER / f"{name}.csv").open() as file:
        golden = [(int(a), int(b), tag, float(value)) for a, b, tag, value in csv.reader(file)]
    rows = curve(name)
    assert [row[:3] for row in rows] == [row[:3] for row in golden]
    for row, expected in zip(rows, golden, strict=True):
        assert row[3] == pytest.approx(expected[3], rel=1e-7), row[:3]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for run in RUNS:
        with (FOLDER / f"{run}.csv").open("w", newline="") as out:
            csv.writer(out).writerows(curve(run))
