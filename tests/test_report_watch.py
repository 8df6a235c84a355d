"""bnrun-report --watch keeps up with a sweep and ends with Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from studies import far, finish

from bnrun.report_cli import main

PAGE = Path("study/report.html")


def wait_for(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_page_follows_the_sweep_and_stops_renewing_itself_at_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    program = "import sys; from bnrun.report_cli import main; sys.exit(main(['study', '--watch']))"
    watching = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert watching.stdout is not None
    assert "Ctrl-C ends" in watching.stdout.readline()
    assert "waiting: study: no such folder" in watching.stdout.readline()
    finish("a", far(0.0), "st")
    wait_for(PAGE.exists)
    assert "1 finished, 0 unfinished: st alone" in watching.stdout.readline()
    assert 'data-renew="10"' in PAGE.read_text()
    finish("b", far(0.1), "reinmax")
    wait_for(lambda: "<h1>reinmax wins by 0.10000" in PAGE.read_text())
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=60)
    assert (watching.returncode, errors) == (0, "")
    assert "<h1>reinmax wins by 0.10000" in PAGE.read_text()
    assert "renew" not in PAGE.read_text().split("<script>")[0]
    assert "http-equiv" not in PAGE.read_text()


def test_group_runs_are_not_written_while_watching(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "--watch", "--tensorboard"])
    assert "--watch and --tensorboard: give one of them" in capsys.readouterr().err
