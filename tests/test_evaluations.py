"""A result tells how often an update evaluates the loss."""

import json
from pathlib import Path

import pytest
from runs import bnrun

TINY = ("trainer.steps=2", "model.hidden=[3,3]", "seeds=1", "trainer.samples=2")


@pytest.mark.parametrize(
    ("estimator", "evaluations"),
    # Of the two layers each asks for K: K^2 in all; exact enumerates 3 + 3 units.
    # Not nested: L (K - 1) + 1.
    [
        ("sigmoid_st", 1),
        ("disarm", 4),
        ("rloo", 16),
        ("exact", 64),
        ("disarm estimator.nested=false", 3),
        ("rloo estimator.nested=false", 7),
    ],
)
def test_evaluations_are_those_of_one_example(
    tmp_path: Path, estimator: str, evaluations: int
) -> None:
    folder = bnrun(tmp_path, *f"estimator={estimator}".split(), *TINY)
    assert json.loads((folder / "result.json").read_text())["evaluations"] == evaluations
