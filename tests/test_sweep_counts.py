"""Every job of a sweep is launched once and counted once, whatever the sweep is made of."""

import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bnrun.config.errors import ClaimedError, DivergedError, UserError
from bnrun.config.paths import CONFIGS
from bnrun.recording.result import write_result
from bnrun.sweep.configs import Configs
from bnrun.sweep.expansion import expanded
from bnrun.sweep.halt import HALTED, SKIPPED
from bnrun.sweep.sweep import Sweep

# What a job may come to, and under which name it is counted.
FATES = {
    "done": "done",
    "one diverged": "diverged",
    "all diverged": "diverged",
    "failed": "failed",
    "killed": "failed",
    "claimed": "at work elsewhere",
    "finished elsewhere": "done elsewhere",
    "skipped": "done elsewhere",
    "halted": "not started",
}


def finish(folder, config, diverged):
    folder.mkdir(parents=True, exist_ok=True)
    one = {"test": {"accuracy": {"sampled": [0.5, 0.5]}}}
    goal = {"score": "accuracy", "way": None, "larger_is_better": True}
    rest = {
        "steps": 1,
        "seconds": 1.0,
        "config": config,
        "versions": {},
        "commit": None,
        "data": {},
    }
    write_result(
        folder, {"seeds": [0, 1], "scores": one, "goal": goal, "diverged": diverged} | rest
    )


@dataclass
class Fated:
    """A launcher whose jobs meet their fates, in order."""

    configs: Configs
    fates: list[str] = field(default_factory=list)
    launched: list[str] = field(default_factory=list)

    def launch(self, overrides, first):
        return [self.one(words) for words in overrides]

    def one(self, words):
        config, folder, _ = self.configs(words)
        fate = self.fates[len(self.launched) % len(self.fates)]
        self.launched.append(str(folder))
        failed = JobStatus.FAILED
        match fate:
            case "failed":
                return JobReturn(status=failed, _return_value=UserError("broken"))
            case "killed":
                folder.mkdir(parents=True, exist_ok=True)
                return JobReturn()
            case "claimed":
                return JobReturn(status=failed, _return_value=ClaimedError("process 1 is working"))
            case "halted":
                return JobReturn(status=JobStatus.COMPLETED, _return_value=HALTED)
        finish(folder, config, {"one diverged": {1: 3}, "all diverged": {0: 3, 1: 3}}.get(fate, {}))
        match fate:
            case "finished elsewhere":
                return JobReturn(status=failed, _return_value=ClaimedError("process 1 is working"))
            case "skipped":
                return JobReturn(status=JobStatus.COMPLETED, _return_value=SKIPPED)
            case "all diverged":
                return JobReturn(status=failed, _return_value=DivergedError("every seed diverged"))
        return JobReturn(status=JobStatus.COMPLETED)


@contextmanager
def sweeping(arguments, fates=("done",), output="outputs"):
    """A sweep over these words, its launcher, its jobs and what it prints."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        words = [f"output={output}", *arguments]
        master = loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)
        configs = Configs(loader, master)
        launcher = Fated(configs, list(fates))
        console = Console(file=StringIO(), width=80)
        jobs = expanded(words, configs, OverridesParser.create(config_loader=loader))
        yield Sweep(configs, launcher, console=console), launcher, jobs, console.file


def ended(arguments, fates=("done",), output="outputs"):
    """What a sweep prints, the folders it launched, and the sentence it ended with."""
    with sweeping(arguments, fates, output) as (sweep, launcher, jobs, text):
        try:
            sweep.run(jobs)
        except UserError as error:
            return text.getvalue(), launcher.launched, str(error)
        return text.getvalue(), launcher.launched, ""


def counts(text):
    (last,) = re.findall(r"^sweep of (\d+) jobs: (.*)$", text, flags=re.MULTILINE)
    parts = [part.split(" ", 1) for part in last[1].split(", ")]
    return int(last[0]), {kind: int(number) for number, kind in parts}


GRIDS = st.fixed_dictionaries(
    {
        "estimator": st.lists(
            st.sampled_from(["st", "st.yaml", "./st", "arm", "exact"]), min_size=1
        ),
        "neuron": st.lists(st.sampled_from(["sbn", "dbn"]), min_size=1, max_size=2),
        "optimizer.lr": st.lists(st.sampled_from(["0.1", "1e-1", ".10", "1", "1.0"]), min_size=1),
        "name": st.lists(st.sampled_from(["n1", "n2"]), min_size=1, max_size=2),
    }
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # A sweep takes too long to shrink.
)
@given(GRIDS, st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=5), st.booleans())
def test_the_counts_add_up_to_the_jobs_and_each_job_is_launched_once(grid, fates, force):
    words = [f"{key}={','.join(values[:4])}" for key, values in grid.items()]
    words += ["seeds=2", "sweep.skip_invalid=true", "sweep.groups=[]"]
    words += ["resume=force"] * force
    estimators = {
        "arm" if e == "arm" else "exact" if e == "exact" else "st" for e in grid["estimator"][:4]
    }
    rates = {float(rate) for rate in grid["optimizer.lr"][:4]}
    pairs = [(e, n) for e in estimators for n in set(grid["neuron"])]
    valid = [pair for pair in pairs if pair[0] == "st" or pair[1] == "sbn"]
    studies = len(set(grid["name"]))
    number = len(pairs) * len(rates) * studies
    runnable = len(valid) * len(rates) * studies
    with tempfile.TemporaryDirectory() as folder:
        text, launched, error = ended(words, fates, folder)
        if not runnable:
            assert f"{number} of {number} jobs cannot be run, so none was started" in error
            assert launched == list(Path(folder).iterdir()) == []
            return
        assert len(launched) == len(set(launched)) == runnable
        expected = {"refused": number - runnable} if runnable < number else {}
        for index in range(runnable):
            kind = FATES[fates[index % len(fates)]]
            expected[kind] = expected.get(kind, 0) + 1
        assert counts(text) == (number, expected)
        assert bool(error) == ("failed" in expected)
        # Once more: what has a result is not launched again, unless it is forced.
        again, launched_again, _ = ended(words, ["done"], folder)
        total, kinds = counts(again)
        assert total == number == sum(kinds.values())
        assert set(kinds) <= {"done", "done before", "diverged before", "refused"}
        if force:
            assert sorted(launched_again) == sorted(launched)
            assert kinds["done"] == runnable
        else:
            without = {"failed", "at work elsewhere", "not started"}
            missing = sum(expected.get(kind, 0) for kind in without)
            assert len(launched_again) == kinds.get("done", 0) == missing


def test_a_result_older_than_the_launch_is_not_done_by_it(tmp_path):
    words = ["estimator=st,arm", "seeds=2", "sweep.groups=[]"]
    ended(words, ["done"], tmp_path)
    text, launched, error = ended([*words, "resume=force"], ["done", "killed"], tmp_path)
    assert len(launched) == 2
    assert counts(text) == (2, {"done": 1, "failed": 1})
    assert "1 of 2 jobs failed" in error


def test_jobs_at_work_elsewhere_are_no_failure(tmp_path):
    text, _, error = ended(["estimator=st,arm", "seeds=2"], ["claimed", "done"], tmp_path)
    assert error == ""
    assert counts(text) == (2, {"done": 1, "at work elsewhere": 1})
    assert "at work elsewhere: sbn-st-digits-mlp" in text
    assert "process 1 is working" in text


@pytest.mark.parametrize("word", ["name=n1,n2", "output=oa,ob"])
def test_every_study_of_a_sweep_is_named_and_gets_its_own_files(word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["estimator=st,arm", "seeds=2", "sweep.fail_fast=true", word]
    text, _, _ = ended(words, ["done"])
    studies = ["outputs/n1", "outputs/n2"] if "name" in word else ["oa/default", "ob/default"]
    for study in studies:
        assert f"compare: bnrun-report {study}\n" in text
        assert f"curves: tensorboard --logdir {study}\n" in text
        assert (Path(study) / "multirun.yaml").exists()
        names = {path.name for path in Path(study).iterdir()}
        assert not names & {".failed", ".studies"}
    assert "outputs/default" not in text


def test_a_failure_halts_the_jobs_of_every_study():
    from bnrun.sweep.halt import Halt, halting

    with tempfile.TemporaryDirectory() as folder:
        first, second, other = (Path(folder) / name for name in ("a", "b", "c"))
        for study in (first, second, other):
            study.mkdir()
        with halting([first, second]):
            assert not Halt(second).is_called()
            Halt(first).call()
            assert Halt(first).is_called()
            assert Halt(second).is_called()
            assert not Halt(other).is_called()
        assert list(first.iterdir()) == list(second.iterdir()) == []
