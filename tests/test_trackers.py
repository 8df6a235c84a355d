"""Trackers besides TensorBoard get what it shows, once, and never end a run."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from runs import bnrun, points, resumed

from bnrun.recording.tracker import Tracker, Trackers

SMALL = ["model.hidden=[6]", "trainer.steps=14", "trainer.log_every=2", "seeds=[3,7]"]
BANDS = "zz_band/"


class Memory(Tracker):
    """Keeps the points of each run; a run that starts again is empty."""

    kept: dict[str, dict[str, list[tuple[int, float]]]] = {}  # noqa: RUF012
    calls: list[str] = []  # noqa: RUF012

    def start(self, study, run, config):
        sys.stdout.write(f"started, {sys.stdout.isatty()}")
        self.calls.append(f"start {study} {config['seeds']}")
        self.curves = self.kept[run] = {}

    def log(self, step, values):
        for tag, value in values.items():
            self.curves.setdefault(tag, []).append((step, value))

    def finish(self):
        print("finished")
        self.calls.append("finish")


class Failing(Memory):
    def log(self, step, values):
        raise ConnectionError(f"no server at step {step}")


class Unwilling(Memory):
    def start(self, study, run, config):
        raise ValueError("no account: log in first")


@pytest.fixture
def memory():
    Memory.kept, Memory.calls = {}, []
    return Memory


@pytest.fixture
def with_tracker(monkeypatch, memory):
    """Words of a run whose tracker is a class of this file."""

    def words(name):
        build = {"tracker": {"_target_": f"{__name__}.{name}"}}
        monkeypatch.setattr("bnrun.run.build.composed", lambda _: build)
        monkeypatch.setattr("bnrun.run.build.resolved", lambda config: config)
        return [*SMALL, "recorder.also=[mine]"]

    return words


def without_speed(curves):
    return {tag: curve for tag, curve in curves.items() if not tag.startswith("speed/")}


def test_a_tracker_gets_every_point_that_tensorboard_shows(tmp_path, with_tracker, memory):
    folder = bnrun(tmp_path / "s", *with_tracker("Memory"))
    shown = {t: c for t, c in points(folder).items() if not t.startswith(BANDS)}
    kept = without_speed(memory.kept[folder.name])
    assert kept.keys() == shown.keys()
    for tag, curve in shown.items():
        assert [step for step, _ in kept[tag]] == [step for step, _ in curve]
        assert [v for _, v in kept[tag]] == pytest.approx([v for _, v in curve], rel=1e-6)
    assert memory.calls == ["start s [3, 7]", "finish"]


def test_a_tracker_of_a_resumed_run_has_what_that_of_an_uninterrupted_one_has(
    tmp_path, with_tracker, memory
):
    words = with_tracker("Memory")
    folder = bnrun(tmp_path / "whole", *words)
    whole = without_speed(memory.kept.pop(folder.name))
    folder = resumed(tmp_path / "parts", words, 8)
    assert without_speed(memory.kept[folder.name]) == whole


def test_what_a_tracker_prints_does_not_reach_the_screen(tmp_path, with_tracker, capsys):
    bnrun(tmp_path / "s", *with_tracker("Memory"))
    assert not {"started", "finished"} & set(capsys.readouterr().out.split())


def test_a_tracker_that_fails_is_named_once_and_the_run_ends_well(tmp_path, with_tracker, capsys):
    folder = bnrun(tmp_path / "s", *with_tracker("Failing"))
    assert (folder / "result.json").exists()
    said = (
        "recorder.also: mine failed (ConnectionError: no server at step 0) and gets no more of "
        "this run"
    )
    assert capsys.readouterr().err.count(said) == 1
    assert (folder / "run.log").read_text().count(said) == 1


def test_a_tracker_that_cannot_start_ends_the_run_before_step_1(tmp_path, with_tracker):
    with pytest.raises(ValueError, match="no account: log in first"):
        bnrun(tmp_path / "s", *with_tracker("Unwilling"))
    assert not list(tmp_path.rglob("metrics.csv"))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("bnrun.run.execute.Recorder", RuntimeError("disk full")),
        ("bnrun.run.execute.keep_changes", RuntimeError("disk full")),
        ("bnrun.run.execute.keep_changes", KeyboardInterrupt()),
    ],
)
def test_a_tracker_is_finished_if_something_fails_before_step_1(
    place, error, tmp_path, with_tracker, memory, monkeypatch
):
    def fail(*arguments):
        raise error

    words = with_tracker("Memory")
    monkeypatch.setattr(place, fail)
    with pytest.raises(type(error)):
        bnrun(tmp_path / "s", *words)
    assert memory.calls == ["start s [3, 7]", "finish"]


def test_trackers_that_have_started_are_finished_if_a_later_one_cannot_start(memory):
    trackers = Trackers({"first": Memory(), "second": Unwilling(), "third": Memory()}, print)
    with pytest.raises(ValueError, match="no account"):
        trackers.start("s", "run", {"seeds": [1]})
    trackers.finish()
    trackers.finish()
    assert memory.calls == ["start s [1]", "finish"]


def test_a_tracker_does_not_change_the_name_of_a_run(tmp_path, with_tracker):
    words = with_tracker("Memory")
    assert bnrun(tmp_path, *words) == bnrun(tmp_path, *SMALL)


class Stub:
    """The part of trackio 0.43 that is used: its runs belong to projects, and ids are new."""

    def __init__(self):
        self.projects = {}
        self.current = None

    def init(self, project, name=None, config=None, auto_log_gpu=None, auto_log_cpu=None):
        assert (auto_log_gpu, auto_log_cpu) == (False, False)
        runs = self.projects.setdefault(project, [])
        self.current = SimpleNamespace(name=name, config=config, logs=[])
        self.current.delete = lambda run=self.current: runs.remove(run)
        runs.append(self.current)

    def log(self, metrics, step=None):
        self.current.logs.append((step, metrics))

    def finish(self):
        self.current = None

    def Api(self):  # noqa: N802
        def runs(project):
            if project not in self.projects:
                raise ValueError(f"Project '{project}' does not exist")
            return self.projects[project]

        return SimpleNamespace(runs=runs)


def test_trackio_has_one_run_of_a_study_for_each_folder(tmp_path, monkeypatch):
    stub = Stub()
    monkeypatch.setitem(sys.modules, "trackio", stub)
    monkeypatch.setattr(
        "bnrun.recording.trackio.find_spec", lambda _: SimpleNamespace(origin="trackio.py")
    )
    words = [*SMALL, "recorder.also=[trackio]"]
    folders = {
        resumed(tmp_path / "s", words, 8).name,
        bnrun(tmp_path / "s", *words, "seeds=[4]").name,
    }
    (runs,) = stub.projects.values()
    assert sorted(run.name for run in runs) == sorted(folders)
    assert stub.projects.keys() == {"s"}
    steps = [step for step, metrics in runs[0].logs if "loss/train" in metrics]
    assert steps == [2, 4, 6, 8, 10, 12, 14]
    assert runs[0].config["model"]["hidden"] == [6]
    assert stub.current is None


def test_without_trackio_one_sentence_says_what_to_install(command, monkeypatch):
    monkeypatch.setattr("bnrun.recording.trackio.find_spec", lambda _: None)
    status, _, err = command("recorder.also=[trackio]", *SMALL)
    assert (status, err) == (
        1,
        'bnrun: tracker: trackio is not installed: pip install "bnrun[trackio]"\n',
    )
    assert not Path("outputs").exists()


def test_an_unknown_tracker_is_refused_with_the_known_ones(command):
    status, _, err = command("recorder.also=[trackia]", *SMALL)
    assert (status, err) == (
        1,
        "bnrun: recorder.also: tracker=trackia: no such choice, did you mean trackio?\n",
    )
