"""A rerun has the same bits, and a difference is reported."""

from importlib.metadata import version
from pathlib import Path

import pytest

from bnrun.config.compose import composed, resolved
from bnrun.config.settings import Settings
from bnrun.recording.metrics import METRICS
from bnrun.recording.recorder import Recorder
from bnrun.recording.result import write_result
from bnrun.report_cli import main
from bnrun.run.build import build_training
from bnrun.run.receipt import receipt

WORDS = ["dataset=digits", "model.hidden=[8]", "seeds=[3,5]", "trainer.steps=6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small finished run."""
    folder = tmp_path_factory.mktemp("run")
    config = resolved(composed([*WORDS, "trainer.log_every=2"], hydra_node=True))
    training = build_training(config, Settings.model_validate(config))
    with Recorder(folder, [3, 5]) as recorder:
        for record in training.run():
            recorder.write(record)
    write_result(
        folder,
        {
            "seeds": [3, 5],
            "scores": {},
            "diverged": {},
            "steps": training.step,
            "seconds": 1.0,
            "config": config,
            "versions": {"torch": "0.1"},
            "commit": None,
            "receipt": receipt(),
            "data": {},
        },
    )
    return folder


def test_a_rerun_has_the_same_bits(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert main(["verify", str(run)]) == 0
    out = capsys.readouterr().out
    assert "The bits match" in out
    assert "of 2 seeds up to step 6" in out
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_one_changed_bit_is_reported(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / METRICS
    whole = path.read_text()
    line = next(
        line for line in whole.splitlines() if line.startswith("4,") and "loss/train" in line
    )
    head, value = line.rsplit(",", 1)
    path.write_text(whole.replace(line, f"{head},{float(value) + 1e-12!r}"))
    try:
        assert main(["verify", str(run)]) == 1
    finally:
        path.write_text(whole)
    out = capsys.readouterr().out
    assert "The bits differ: 1 of" in out
    assert "The first: loss/train of seed 3 at step 4 was" in out
    assert f"torch (0.1 then, {version('torch')} now)" in out


def test_fewer_steps_can_be_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run), "--steps", "2"]) == 0
    assert "up to step 2 " in capsys.readouterr().out


@pytest.mark.parametrize("steps", ["-1"])
def test_what_cannot_be_rerun_is_one_sentence(
    run: Path, steps: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(run), "--steps", steps]) == 2
    assert "nothing recorded up to step -1, use a larger --steps" in capsys.readouterr().err
    assert main(["verify", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert "nowhere: not the folder of a finished run, because it has no result.json" in error
    assert error.count("\n") == 1
