"""README's estimator, in a file beside where the installed commands are called."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, PROGRAMS, ROOT, write_files

SMALL = ("name=own", "model.hidden=[4]", "trainer.steps=2", "trainer.log_every=1", "seeds=1")
BNRUN = ("bnrun", "--config-dir", "my/configs", "estimator=mine", *SMALL)


def call(folder: Path, program: str, *words: str, status: int = 0) -> str:
    """Call a command as its script does: -P leaves the working folder out of Python's path."""
    module, _, function = PROGRAMS[program].partition(":")
    start = f"import sys; from {module} import {function}; sys.exit({function}())"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", start, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with README's mine.py and my/configs/estimator/mine.yaml."""
    write_files(PAGES[0], tmp_path)
    return tmp_path


def test_a_custom_estimator_trains_and_its_receipt_names_its_file(place: Path) -> None:
    call(place, *BNRUN)
    (path,) = place.glob("outputs/own/*/result.json")
    receipt = json.loads(path.read_text())["receipt"]
    recorded = hashlib.sha256((place / "mine.py").read_bytes()).hexdigest()
    assert receipt["own_code"] == {str(place / "mine.py"): recorded}
    assert "The bits match" in call(place, "bnrun-report", "verify", str(path.parent))
    mine = place / "mine.py"
    mine.write_text(mine.read_text().replace("downstream(self", "2 * downstream(self"))
    output = call(place, "bnrun-report", "verify", str(path.parent), status=1)
    assert "The bits differ" in output
    assert f"{mine} ({recorded[:12]} then, " in output


def test_a_custom_estimator_trains_in_the_workers_of_a_launcher(place: Path) -> None:
    call(place, BNRUN[0], "-m", *BNRUN[1:], "hydra/launcher=joblib", "optimizer.lr=0.1,0.2")
    assert len(list(place.glob("outputs/own/*/result.json"))) == 2
