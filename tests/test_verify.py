"""A run done again: whether its bits are the same."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from bnrun.config.paths import CONFIGS
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
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        composed = compose("config", overrides=[*WORDS, "trainer.log_every=2"])
    config = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(config, dict)
    training = build_training(composed, Settings.model_validate(config))
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
            "config": config | {"choices": {"neuron": "sbn"}},
            "versions": {"torch": "0.1"},
            "commit": None,
            "receipt": receipt(),
            "data": {},
        },
    )
    return folder


def test_a_run_done_again_has_the_same_bits(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert main(["verify", str(run)]) == 0
    told = capsys.readouterr().out
    assert "The bits match" in told
    assert "of 2 seeds up to step 6" in told
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_one_changed_bit_is_found_and_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    told = capsys.readouterr().out
    assert "The bits differ: 1 of" in told
    assert "The first: loss/train of seed 3 at step 4 was" in told
    assert f"torch (0.1 then, {torch.__version__} now)" in told


def test_fewer_steps_can_be_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(run), "--steps", "2"]) == 0
    assert "up to step 2 " in capsys.readouterr().out


@pytest.mark.parametrize("steps", ["-1"])
def test_what_cannot_be_tried_is_one_sentence(
    run: Path, steps: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(run), "--steps", steps]) == 2
    assert "nothing recorded up to step -1, use a larger --steps" in capsys.readouterr().err
    assert main(["verify", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert "nowhere/result.json: cannot be read" in error
    assert error.count("\n") == 1
