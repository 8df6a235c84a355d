"""README's estimator of one's own, beside where the installed commands are called."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ("name=own", "model.hidden=[4]", "trainer.steps=2", "trainer.log_every=1", "seeds=1")
BNRUN = ("--config-dir", "my/configs", "estimator=mine", *SMALL)


def call(folder: Path, start: str, *words: str) -> str:
    """Call a command as its script does: -P leaves the working folder out of Python's path."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", start, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def bnrun(folder: Path, *words: str) -> str:
    return call(folder, "from bnrun.__main__ import main; main()", *words)


def verify(folder: Path, *words: str) -> str:
    return call(
        folder,
        "import sys; from bnrun.report_cli import main; code = main(); sys.exit(code == 2)",
        "verify",
        *words,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with README's mine.py and my/configs/estimator/mine.yaml."""
    (block,) = re.findall(
        r"```python\n(import bnrun\n\n@bnrun.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    (tmp_path / "mine.py").write_text(block)
    configs = tmp_path / "my" / "configs" / "estimator"
    configs.mkdir(parents=True)
    (configs / "mine.yaml").write_text("_target_: mine.Mine\nneuron: ${neuron}\nshare: 0.5\n")
    return tmp_path


def test_an_own_estimator_trains_and_its_receipt_names_its_file(place: Path) -> None:
    bnrun(place, *BNRUN)
    (path,) = place.glob("outputs/own/*/result.json")
    receipt = json.loads(path.read_text())["receipt"]
    told = hashlib.sha256((place / "mine.py").read_bytes()).hexdigest()
    assert receipt["own_code"] == {str(place / "mine.py"): told}
    assert "The bits match" in verify(place, str(path.parent))
    mine = place / "mine.py"
    mine.write_text(mine.read_text().replace("downstream(self", "2 * downstream(self"))
    said = verify(place, str(path.parent))
    assert "The bits differ" in said
    assert f"{mine} ({told} then, " in said


def test_an_own_estimator_trains_in_the_workers_of_a_launcher(place: Path) -> None:
    bnrun(place, "-m", *BNRUN, "hydra/launcher=joblib", "optimizer.lr=0.1,0.2")
    assert len(list(place.glob("outputs/own/*/result.json"))) == 2
