"""bnrun.run and bnrun.sweep: the files of the command line, in a process that stays as it was."""

import gc
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
import torch
import yaml
from conftest import TINY
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import bnrun
from bnrun import runner
from bnrun.config.errors import DivergedError
from bnrun.run.keeper import Keeper

# The default tests run with warnings as errors; bnrun silences this one where it composes.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*validated against ConfigStore schema")

WORDS = ["estimator=st", "optimizer.lr=0.5", "dtype=float64", *TINY]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder beside the one of `command`."""
    folder = tmp_path / "python"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "tfevents" not in name}


def results(folder: Path) -> dict[str, dict]:
    """Run id -> result.json without the time that it took, and without where it was started."""
    paths = folder.rglob("result.json")
    read = {path.parent.name: json.loads(path.read_text()) for path in paths}
    for one in read.values():
        del one["receipt"]["data_files"]["start"]
    return {name: {k: v for k, v in one.items() if k != "seconds"} for name, one in read.items()}


def test_a_run_writes_the_files_of_the_command_line(command, tmp_path, here):
    result = bnrun.run(*WORDS)
    assert command(*WORDS)[0] == 0
    ours, theirs = here / "outputs", tmp_path / "outputs"
    assert files(ours) == files(theirs)
    assert results(ours) == results(theirs)
    run = result.folder.relative_to(ours)
    for name in ("metrics.csv", ".hydra/overrides.yaml", ".hydra/config.yaml"):
        assert (ours / run / name).read_bytes() == (theirs / run / name).read_bytes(), name
    hydra = [
        yaml.safe_load((top / run / ".hydra/hydra.yaml").read_text()) for top in (ours, theirs)
    ]
    for node in hydra:
        for key in ("cwd", "output_dir", "made"):
            del node["hydra"]["runtime"][key]
    assert hydra[0] == hydra[1]


def test_a_sweep_writes_the_files_of_the_command_line(command, tmp_path, here):
    words = ["estimator=st,reinmax", "optimizer.lr=0.1,0.3", *TINY]
    runs = bnrun.sweep(*words)
    assert command("-m", *words)[0] == 0
    ours, theirs = here / "outputs", tmp_path / "outputs"
    assert files(ours) == files(theirs)
    assert results(ours) == results(theirs)
    for path in ours.rglob("metrics.csv"):
        assert path.read_bytes() == (theirs / path.relative_to(ours)).read_bytes()
    chosen = [run.result["config"] for run in runs]
    assert [(c["choices"]["estimator"], c["optimizer"]["lr"]) for c in chosen] == [
        *(("st", 0.1), ("st", 0.3)),
        *(("reinmax", 0.1), ("reinmax", 0.3)),
    ]


@pytest.mark.usefixtures("here")
def test_what_is_done_is_skipped_and_returned(capfd):
    first = bnrun.run(*WORDS)
    written = (first.folder / "result.json").stat().st_mtime_ns
    again = bnrun.run(*WORDS)
    assert "skipped, because it is done" in capfd.readouterr().err
    both = bnrun.sweep(*WORDS, "optimizer.lr=0.5,0.7")
    assert "1 done, 1 done before" in capfd.readouterr().err
    assert [again.folder, both[0].folder] == [first.folder] * 2
    assert (first.folder / "result.json").stat().st_mtime_ns == written
    assert bnrun.run(*WORDS, "resume=force").scores.equals(first.scores)
    assert (first.folder / "result.json").stat().st_mtime_ns > written


def state():
    """All that a run or a sweep might leave changed in its process."""
    return {
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "denormals": runner._flushes_denormals(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "collects": gc.isenabled(),
        "argv": sys.argv,
        "path": list(sys.path),
        "folder": Path.cwd(),
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        "hydra": (GlobalHydra.instance().is_initialized(), HydraConfig.instance().cfg),
        "log": (logging.root.level, list(logging.root.handlers)),
    }


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("flush", [False, True])
def test_the_process_stays_as_it_was(flush):
    bnrun.run(*WORDS)  # so that what is loaded once is loaded
    torch.set_flush_denormal(flush)
    before = state()
    bnrun.run(*WORDS, "resume=force", "hydra.job.chdir=true")
    assert state() == before
    bnrun.sweep(*WORDS, "optimizer.lr=0.1,0.3")
    assert state() == before
    for wrong in ("estimator=nope", "optimizer.lr=-1"):
        with pytest.raises(bnrun.UserError):
            bnrun.run(wrong)
        assert state() == before
    assert before["denormals"] == flush


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["estimator=nope"], "estimator=nope: no such choice, use one of approx_sign"),
        (
            ["estimator=rebar", "estimator.foo=1"],
            "estimator.foo: no such option, did you mean estimator.eta",
        ),
        (["trainer.epochs=-1"], "trainer.epochs=-1: should be greater than 0"),
        (["estimator=disarm", "neuron=dbn"], "DisARM does not support neuron DBN"),
        (["estimator=st,reinmax"], "estimator=st,reinmax"),
        (["-m"], "-m: not of the form key=value"),
    ],
)
def test_a_mistake_is_an_exception_with_the_sentence_of_the_command_line(
    words, message, here, capfd
):
    with pytest.raises(bnrun.UserError, match=message):
        bnrun.run(*words)
    assert capfd.readouterr() == ("", "")
    assert list(here.iterdir()) == []


@pytest.mark.usefixtures("here")
def test_a_run_that_diverges_raises_and_can_be_loaded():
    with pytest.raises(DivergedError, match="every seed diverged"):
        bnrun.run(*TINY, "optimizer.lr=1e38", "neuron=real", "estimator=backprop")
    scores = bnrun.load_runs("outputs/s").scores
    assert scores["diverged"].is_not_null().all()


@pytest.mark.usefixtures("here")
def test_a_sweep_raises_if_a_job_is_refused_or_fails(capfd):
    with pytest.raises(bnrun.UserError, match="1 of 2 jobs cannot be run, so none was started"):
        bnrun.sweep(*TINY, "neuron=dbn", "estimator=st,disarm")
    runs = bnrun.sweep(*TINY, "neuron=dbn", "estimator=st,disarm", "sweep.skip_invalid=true")
    assert [run.result["config"]["choices"]["estimator"] for run in runs] == ["st"]
    assert len(bnrun.sweep(*TINY, "estimator=st,reinmax", "sweep.dry_run=true")) == 0
    assert "2 jobs: 2 missing" in capfd.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_bug_in_own_code_is_raised_as_it_is(here):
    (here / "mine_to_crash.py").write_text(
        "import bnrun\n\n\nclass Crash(bnrun.Estimator):\n"
        "    def __call__(self, logits, downstream, noise):\n        return {}['lost']\n"
    )
    (here / "conf" / "estimator").mkdir(parents=True)
    (here / "conf" / "estimator" / "crash.yaml").write_text(
        "_target_: mine_to_crash.Crash\nneuron: ${neuron}\n"
    )
    with pytest.raises(KeyError, match="lost"):
        bnrun.run("estimator=crash", *TINY, config_dir="conf")


@pytest.fixture
def handler():
    """Python's own handler of Ctrl-C, which a test of the command line may have replaced."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted(monkeypatch, times: int) -> None:
    """Let the next run get Ctrl-C after its second step, several times."""
    original = Keeper.after_step

    def after_step(keeper):
        if keeper.training.step == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        original(keeper)

    monkeypatch.setattr(Keeper, "after_step", after_step)


@pytest.mark.usefixtures("here")
def test_ctrl_c_raises_keyboard_interrupt_and_the_same_call_resumes(handler, monkeypatch, capfd):
    whole = bnrun.run(*WORDS, "name=whole").curves()
    with monkeypatch.context() as patch:
        interrupted(patch, times=1)
        with pytest.raises(KeyboardInterrupt):
            bnrun.run(*WORDS)
    assert signal.getsignal(signal.SIGINT) is handler
    capfd.readouterr()
    resumed = bnrun.run(*WORDS).curves()
    assert "resum" in capfd.readouterr().err
    assert resumed.drop("run").equals(whole.drop("run"))


@pytest.mark.usefixtures("here", "handler")
def test_a_second_ctrl_c_interrupts_at_once_and_keeps_the_process(monkeypatch):
    interrupted(monkeypatch, times=2)
    with pytest.raises(KeyboardInterrupt) as caught:
        bnrun.run(*WORDS)
    assert type(caught.value) is KeyboardInterrupt


@pytest.mark.usefixtures("here")
def test_a_run_works_in_any_thread():
    folders = []
    thread = threading.Thread(target=lambda: folders.append(bnrun.run(*WORDS).folder))
    thread.start()
    thread.join()
    assert (folders[0] / "result.json").exists()


@pytest.mark.usefixtures("here")
def test_a_sweep_takes_another_launcher_in_the_folder_of_the_moment(tmp_path, monkeypatch):
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        runs = bnrun.sweep(*TINY, "estimator=st", "hydra/launcher=joblib")
        assert [run.result["config"]["choices"]["estimator"] for run in runs] == ["st"]
        assert len(list((tmp_path / place).rglob("result.json"))) == 1


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_the_call_has_the_arguments_of_the_function(name):
    import inspect

    def names(function):
        return list(inspect.signature(function).parameters.values())

    assert names(getattr(bnrun, name)) == names(getattr(runner, name))
    assert callable(getattr(bnrun, name))
    assert getattr(bnrun, name).__path__, "it is the folder as well"
