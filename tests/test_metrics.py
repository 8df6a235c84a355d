"""The metrics file has every value exactly, also of a run that was killed and resumed."""

import math
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from bnrun.recording.history import read_metrics, read_times
from bnrun.recording.metrics import (
    METRICS,
    TIMES,
    MetricsFile,
    history_end,
    last_step,
    points,
)

SEEDS = (3, 11)


def record(file: MetricsFile, steps: Iterable[int], second: float = 1.0) -> None:
    for step in steps:
        draw = np.random.default_rng(step).normal(size=4)
        values = {"loss/train": draw[:2].tolist(), "accuracy/test/sampled": draw[2:].tolist()}
        file.append(step, step / 7, step * second, values)


def written(folder: Path, steps: Iterable[int], second: float = 1.0) -> bytes:
    folder.mkdir()
    file = MetricsFile(folder, SEEDS)
    record(file, steps, second)
    file.close()
    return (folder / METRICS).read_bytes()


def test_numbers_are_read_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [
        *rng.normal(size=500).tolist(),
        *np.exp(rng.uniform(-700, 700, size=500)).tolist(),
        *rng.normal(size=500).astype(np.float32).tolist(),
        *(0.1, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 123456789.0),
        *(math.inf, -math.inf, math.nan),
    ]
    file = MetricsFile(tmp_path, [0])
    for step, value in enumerate(values):
        file.append(step, step / 3, 0.1 * step, {"tag": [value]})
    file.close()
    frame = read_metrics(tmp_path)
    assert frame["value"].to_numpy().tobytes() == np.array(values).tobytes()
    assert frame["epoch"].to_list() == [step / 3 for step in range(len(values))]
    assert read_times(tmp_path)["seconds"].to_list() == [0.1 * i for i in range(len(values))]


def test_each_value_has_its_step_seed_and_tag(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path, SEEDS)
    file.append(0, 0.0, 0.0, {"a": [1.0, 2.0]})
    file.append(5, 0.5, 1.0, {"b/c": [3.0, 4.0], "a": [5.0, 6.0]})
    assert read_metrics(tmp_path).rows() == [
        (0, 0.0, 3, "a", 1.0),
        (0, 0.0, 11, "a", 2.0),
        (5, 0.5, 3, "b/c", 3.0),
        (5, 0.5, 11, "b/c", 4.0),
        (5, 0.5, 3, "a", 5.0),
        (5, 0.5, 11, "a", 6.0),
    ]
    file.close()


def test_the_clock_does_not_change_the_metrics_file(tmp_path: Path) -> None:
    assert written(tmp_path / "a", range(9)) == written(tmp_path / "b", range(9), second=2.0)


@pytest.mark.parametrize("torn", [b"", b"1", b"9,1.2857142", b"10,1.428,3,loss/train,0.5\n11,1"])
@pytest.mark.parametrize("last", [6, 9])
def test_a_resumed_file_equals_an_uninterrupted_one(tmp_path: Path, torn: bytes, last: int) -> None:
    whole = written(tmp_path / "whole", range(12))
    written(tmp_path / "resumed", range(last + 1))
    with (tmp_path / "resumed" / METRICS).open("ab") as file:
        file.write(torn)
    with (tmp_path / "resumed" / TIMES).open("ab") as file:
        file.write(b"12,1")
    resumed = MetricsFile(tmp_path / "resumed", SEEDS, resume_step=6)
    record(resumed, range(7, 12))
    resumed.close()
    assert (tmp_path / "resumed" / METRICS).read_bytes() == whole
    assert read_times(tmp_path / "resumed")["step"].to_list() == list(range(12))


def test_a_resumed_file_knows_the_time_of_its_last_step(tmp_path: Path) -> None:
    written(tmp_path / "run", range(9), second=2.0)
    file = MetricsFile(tmp_path / "run", SEEDS, resume_step=5)
    assert file.last_time == (5, 10.0)
    file.close()


def test_a_restarted_file_drops_the_earlier_run(tmp_path: Path) -> None:
    written(tmp_path / "run", range(9))
    file = MetricsFile(tmp_path / "run", SEEDS)
    record(file, range(2))
    file.close()
    assert (tmp_path / "run" / METRICS).read_bytes() == written(tmp_path / "other", range(2))
    assert file.last_time == (1, 1.0)


def test_two_records_of_one_step_have_one_time(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path, [0])
    file.append(4, 0.0, 1.0, {"a": [1.0]})
    file.append(4, 0.0, 9.0, {"b": [1.0]})
    file.close()
    assert read_times(tmp_path).rows() == [(4, 1.0)]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_an_incomplete_line_is_not_read(tmp_path: Path, cut: int) -> None:
    whole = written(tmp_path / "run", range(4))
    torn = whole[:-cut]
    (tmp_path / "run" / METRICS).write_bytes(torn)
    rows = read_metrics(tmp_path / "run").rows()
    assert len(rows) == torn.count(b"\n") - 1
    assert last_step(tmp_path / "run") == rows[-1][0]


def test_a_killed_process_has_written_every_record(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from bnrun.recording.metrics import MetricsFile\n"
        "file = MetricsFile(Path(sys.argv[1]), [0, 1])\n"
        "for step in range(50): file.append(step, 0.0, 0.0, {'loss/train': [0.1, 0.2]})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert len(read_metrics(tmp_path)) == 100
    assert last_step(tmp_path) == 49


def test_the_last_step_is_found_after_many_lines(tmp_path: Path) -> None:
    assert last_step(tmp_path) is None
    written(tmp_path / "none", [])
    assert last_step(tmp_path / "none") is None
    written(tmp_path / "many", range(500))
    assert last_step(tmp_path / "many") == 499


def test_resuming_without_a_history_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metrics\.csv: no such file.*restart it from step 0"):
        MetricsFile(tmp_path, SEEDS, resume_step=10)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "first line is not step,epoch"),
        (b"step,epo", "first line is not step,epoch"),
        (b"step,epoch,seed,tag,value\n1,0.5,3,a,0.1\nx\x00y\n", "line 3 is damaged"),
    ],
)
def test_resuming_a_damaged_history_is_refused_and_keeps_it(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        MetricsFile(tmp_path, SEEDS, resume_step=10)
    assert (tmp_path / METRICS).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"a,b\n1,2\n", "first line"),
        (b"step,epoch,seed,tag,value\n1,0.5,3,a,word\n", "damaged"),
    ],
)
def test_reading_reports_what_is_wrong_with_a_file(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / METRICS).write_bytes(content)
    with pytest.raises(ValueError, match=rf"metrics\.csv: .*{reason}"):
        read_metrics(tmp_path)


def damage(folder: Path, name: str, line: str) -> None:
    """Write a history, and let one of its files end in this line."""
    written(folder, [10])
    with (folder / name).open("a") as file:
        file.write(f"{line}\n")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (METRICS, "?"),
        (METRICS, "20,?,3,a,1"),
        (METRICS, "x,1.0,3,a,1"),
        (TIMES, "20"),
        (TIMES, "?,1"),
    ],
)
def test_the_end_of_a_damaged_history_is_refused_by_the_name_of_the_file(
    tmp_path: Path, name: str, line: str
) -> None:
    damage(tmp_path / "run", name, line)
    with pytest.raises(ValueError, match=rf"{name}: damaged \("):
        history_end(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "line"),
    [(METRICS, "20,1.0,3,a,?"), (METRICS, "x,1.0,3,a,1"), (TIMES, "20,?"), (TIMES, "?,1")],
)
def test_the_points_of_a_damaged_history_are_refused_by_the_name_of_the_file(
    tmp_path: Path, name: str, line: str
) -> None:
    damage(tmp_path / "run", name, line)
    with pytest.raises(ValueError, match=rf"{name}: damaged \("):
        list(points(tmp_path / "run"))


@pytest.mark.parametrize("tag", ["a,b", "a b", 'a"b', "a\nb"])
def test_a_tag_that_would_break_the_file_is_refused(tmp_path: Path, tag: str) -> None:
    file = MetricsFile(tmp_path, [0])
    with pytest.raises(ValueError, match="must not hold commas"):
        file.append(0, 0.0, 0.0, {tag: [1.0]})
    file.close()


def test_writing_and_reporting_need_neither_torch_nor_tensorboard() -> None:
    program = (
        "import sys, bnrun.recording.metrics, bnrun.recording.result, bnrun.report\n"
        "print({'torch', 'tensorboard', 'polars', 'scipy'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
