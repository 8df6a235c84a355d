"""Breaks runs in many ways and checks that no work is lost: `python tests/faults.py [share]`.

`share` scales how often each fault is tried (1.0: in full). It prints the table of
docs/reliability.md. Linux only, because it forks; disks that fill or become read-only need root.
"""

import contextlib
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from runs import assert_equal_runs, bnrun

from bnrun import cli
from bnrun.run.outcome import flat

RUN = ["model.hidden=[6]", "trainer.log_every=1", "trainer.evaluate_every=0.2", "seeds=[3,7]"]
RUN += ["estimator=reinforce_nvil", "optimizer=adam", "trainer.steps=60"]
OFTEN = "checkpoint.every_steps=3"
SWEEP = ["-m", "estimator=st,arm,disarm", "optimizer.lr=0.1,0.3", "trainer.batch_size=20,50"]
SWEEP += [*RUN[:4], "trainer.steps=10", OFTEN]
POOL = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "resume=force"]
# What a run keeps besides weights, optimizer and random streams.
KINDS = {
    "gan": [
        *("task=gan", "model=generator_mlp", "model.hidden=[8]", "estimator=sigmoid_st"),
        *("task.critic.hidden=[8]", "task.critic_steps=2", "task.first=2", "task.many_steps=3"),
        *("task.every=7", "task.judge_steps=20", "task.images=20", "task.latent=4"),
    ],
    "vae": [
        *("task=vae", "model=vae", "model.latent=[6]", "model.hidden=[5]", "estimator=disarm"),
        "rates={prior:100}",
    ],
    "gated": ["task=gated", "model=gated", "model.hidden=8", "model.gater=5", "estimator=arm"],
    "relax": ["estimator=relax"],
    "nvil": ["estimator=reinforce_nvil", "model.hidden=[6,5]"],
    "schedule": [
        *("estimator=schedule", "estimator.after=23", "estimator.per=step"),
        "estimator@estimator.second=reinforce_nvil",
    ],
    "estimators per layer": [
        *("estimator=rebar", "model.hidden=[6,5]"),
        *("+estimator@layers.2=reinforce_moving_average", "+neuron@layers.2.neuron=sbn"),
    ],
    "recorder.per_seed": ["recorder.per_seed=true"],
    "gradients.every": [
        *("gradients.every=0.3", "gradients.estimators=[st,relax]", "gradients.draws=4"),
        *("gradients.examples=4", "gradients.averages=[2]", "estimator=disarm"),
    ],
    "adamw with cosine": [
        *("optimizer=adamw", "scheduler=cosine", "trainer.schedule_per=step"),
        "scheduler.T_max=60",
    ],
}


def forked(work: Callable[[], object], log: Path) -> int:
    """The id of a child that does `work`; its exit status is 0, or 1 after an exception."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        work()
        status = 0
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def status_of(child: int, limit: float = 300.0) -> int:
    """The exit status of a child; a hang is an error."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("hangs")


def killed_until_done(work: Callable[[], object], longest: float, log: Path, kills: int) -> int:
    """How often `work` was killed, at most `kills` times, before it came to its end."""
    for count in range(kills + 1):
        child = forked(work, log)
        if count < kills:
            time.sleep(random.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        status = status_of(child)
        if status != -signal.SIGKILL:
            assert status == 0, log.read_text()
            return count
    raise AssertionError("never ended")


def timed(work: Callable[[], object], log: Path) -> float:
    began = time.monotonic()
    assert status_of(forked(work, log)) == 0, log.read_text()
    return time.monotonic() - began


def only(study: Path) -> Path:
    return next(path for path in study.iterdir() if path.is_dir())


def kills(folder: Path, times: int, *words: str) -> str:
    log = folder / "log"
    # Without RUN's hidden layers where a kind has its own.
    fixed = RUN[any(word.startswith("model") for word in words) :]
    longest = timed(lambda: bnrun(folder / "uninterrupted", *fixed, *words), log)
    total = 0
    for number in range(times):
        study = folder / f"killed{number}"
        total += killed_until_done(
            lambda s=study: bnrun(s, *fixed, *words, OFTEN), longest, log, 1 + number % 4
        )
        assert_equal_runs(only(folder / "uninterrupted"), only(study))
        shutil.rmtree(study)
    return f"{times} runs, {total} kills: all equal to the uninterrupted one"


def sweep_kills(folder: Path, times: int) -> str:
    def sweep(name: str) -> None:
        sys.argv = ["bnrun", *SWEEP, f"name={name}", f"output={folder}"]
        cli.main()

    log = folder / "log"
    longest = timed(lambda: sweep("uninterrupted"), log)
    count = killed_until_done(lambda: sweep("killed"), longest / 3, log, times)
    runs = [path.parent for path in (folder / "uninterrupted").glob("*/result.json")]
    assert len(runs) == 12
    for run in runs:
        files = [study / run.name for study in (folder / "uninterrupted", folder / "killed")]
        assert len({(f / "metrics.csv").read_bytes() for f in files}) == 1
        scores = [json.loads((f / "result.json").read_text())["scores"] for f in files]
        assert scores[0] == scores[1]
    return f"12 jobs, {count} kills: every score and history equal"


def pool_kills(folder: Path, times: int) -> str:
    """One worker of joblib killed in each of several sweeps with resume=force."""
    words = ["-m", "bnrun", *SWEEP, *POOL, "name=s", f"output={folder}"]
    log = folder / "log"

    def marks() -> dict[str, int]:
        files = {path.parent.name: path for path in (folder / "s").glob("*/result.json")}
        return {name: path.stat().st_mtime_ns for name, path in files.items()}

    def sweep() -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *words],
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def new_since(before: dict[str, int]) -> int:
        return sum(mark != before[name] for name, mark in marks().items())

    assert sweep().wait(600) == 0, log.read_text()
    shutil.copytree(folder / "s", folder / "uninterrupted")
    killed = 0
    for _ in range(times):
        before, process = marks(), sweep()
        count, workers = random.randrange(10), []
        while process.poll() is None and not (workers and new_since(before) >= count):
            time.sleep(random.uniform(0.0, 0.3))
            workers = workers_of(process.pid)
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            killed += 1
        status, text = process.wait(600), log.read_text()
        assert (status, new_since(before)) == (0, 12), text
        assert "sweep of 12 jobs: 12 done\n" in text, text
        for run in (folder / "uninterrupted").glob("*/result.json"):
            assert_equal_runs(run.parent, folder / "s" / run.parent.name)
    return f"{times} sweeps of 12 jobs, {killed} workers killed: every job done again, all equal"


def workers_of(sweep: int) -> list[int]:
    """The processes of joblib's pool that a sweep has started."""
    children = Path(f"/proc/{sweep}/task/{sweep}/children")
    found = [int(pid) for pid in children.read_text().split()] if children.exists() else []
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, command in commands.items() if b"popen_loky_posix" in command]


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k"]
    subprocess.run(["mount", *options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def full_disk(folder: Path, times: int) -> str:
    log = folder / "log"
    timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    need = sum(f.stat().st_size for f in only(folder / "uninterrupted").rglob("*") if f.is_file())
    for number in range(times):
        disk = folder / f"disk{number}"
        with small_disk(disk, 16 + need * number // times // 1024):
            assert status_of(forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)) == 1
            assert "No space left" in log.read_text().splitlines()[-1], log.read_text()
            subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
            timed(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            assert_equal_runs(only(folder / "uninterrupted"), only(disk / "s"))
    return f"{times} disks full at different moments: one sentence, then equal once there is room"


def read_only(folder: Path, times: int) -> str:
    log = folder / "log"
    longest = timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    refused = 0
    for number in range(times):
        disk = folder / f"disk{number}"
        with small_disk(disk, 20_000):
            child = forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            time.sleep(random.uniform(0.3, longest))
            os.kill(child, signal.SIGKILL)
            status_of(child)
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            if not list(disk.glob("s/*/result.json")):
                assert status_of(forked(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)) == 1
                assert "Read-only" in log.read_text().splitlines()[-1], log.read_text()
                refused += 1
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            timed(lambda d=disk: bnrun(d / "s", *RUN, OFTEN), log)
            assert_equal_runs(only(folder / "uninterrupted"), only(disk / "s"))
    return f"{refused} runs met a read-only folder: one sentence, then equal"


def crashed(folder: Path) -> Path:
    """A run that ended like a killed one after step 40, with checkpoints of steps 36 and 39."""
    from bnrun.run.keeper import Keeper

    genuine = Keeper.after_step

    def after_step(keeper: Keeper) -> None:
        genuine(keeper)
        if keeper.training.step == 40:
            os._exit(0)

    def work() -> None:
        with mock.patch.object(Keeper, "after_step", after_step):
            bnrun(folder / "crashed", *RUN, OFTEN)

    timed(work, folder / "log")
    return only(folder / "crashed")


def damaged(folder: Path, times: int, damage: Callable[[Path], None], clock: float = 0.0) -> str:
    log = folder / "log"
    timed(lambda: bnrun(folder / "uninterrupted", *RUN), log)
    template = crashed(folder)
    genuine = time.time

    def resumed(study: Path) -> None:
        with mock.patch("time.time", side_effect=lambda: genuine() + clock):
            bnrun(study, *RUN, OFTEN)

    for number in range(times):
        study = folder / f"damaged{number}"
        shutil.copytree(template, study / template.name)
        damage(study / template.name)
        timed(lambda s=study: resumed(s), log)
        assert_equal_runs(only(folder / "uninterrupted"), only(study))
        shutil.rmtree(study)
    return f"{times} times: equal to the uninterrupted one"


def flip(run: Path) -> None:
    content = bytearray((run / "checkpoint.pt").read_bytes())
    content[random.randrange(len(content))] ^= random.randrange(1, 256)
    (run / "checkpoint.pt").write_bytes(content)


def cut(name: str, least: int, most: int) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (path,) = run.glob(name)
        size = path.stat().st_size
        os.truncate(path, size - random.randint(least, min(most, size)))

    return damage


LONG = ("trainer.steps", "trainer.epochs", "seeds", "model.hidden")
"""Where a large number is no mistake, but much work."""
ODD = ["-1", "0", "nan", "1e400", "[]", "{}", "[a,b]", "null", "''", "x", "${nowhere}", "1,2"]
ODD += ["../..", "\\x00", "é", "true", "[1,1]", "${oc.env:HOME}", "(", "a=b", "1e-400", "0x10"]
GROUPS = ["neuron", "estimator", "model", "optimizer", "scheduler", "dataset", "trainer", "task"]


def sensible() -> tuple[dict[str, str], list[str]]:
    """Every key of the config with its value, and every choice of a group but the large data."""
    from bnrun.config.compose import composed, resolved
    from bnrun.config.paths import CONFIGS

    config = {key: value for key, value in resolved(composed([])).items() if key != "choices"}
    values = {
        key: str(value).replace("None", "null").replace(" ", "")
        for key, value in flat(config).items()
        if not key.startswith(("output", "dataset.mirrors"))
    }
    files = [file for group in GROUPS for file in (CONFIGS / group).glob("*.yaml")]
    return values, [f"{f.parent.name}={f.stem}" for f in files if "mnist" not in f.stem]


def bad_words(folder: Path, times: int, from_file: bool = False) -> str:
    """Mistakes in the words of the command line, or in a file that it names."""
    values, choices = sensible()
    numbers = st.integers(-3, 12).map(str)

    def valued(key: str) -> st.SearchStrategy[str]:
        large = [] if key.startswith(LONG) else ["9" * 40, "1e30"]
        return st.sampled_from([*ODD, *large, values.get(key, "1")]) | numbers

    keys = st.sampled_from([*values, *GROUPS])
    plain = keys.flatmap(lambda key: st.tuples(st.just(key), valued(key)))
    signs = st.sampled_from(["", "", "", "+", "~", "++"])
    text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
    word = st.one_of(
        plain.map("=".join),
        st.sampled_from(choices),
        st.tuples(signs, plain.map("=".join)).map("".join),
        st.tuples(keys, text).map("=".join),
        text,
    )
    pairs = st.lists(plain, min_size=1, max_size=3)
    lines = pairs.map(dict) if from_file else st.lists(word, min_size=1, max_size=3)
    seen = {"ended well": 0, "refused in words": 0}
    tried: set[str] = set()
    work = folder / "work"
    log = folder / "log"
    file = folder / "mine" / "experiment" / "odd.yaml"
    wrong: list[str] = []

    def attempt(line: list[str]) -> None:
        def run() -> None:
            os.chdir(work)
            fixed = ["trainer.steps=2", "trainer.evaluate_examples=5", "model.hidden=[3]"]
            sys.argv = ["bnrun", f"--config-dir={folder / 'mine'}", *fixed, *line]
            cli.main()

        work.mkdir()
        log.unlink(missing_ok=True)
        status = status_of(forked(run, log), 120)
        output = log.read_text(errors="replace")
        strayed = {path.name for path in work.iterdir()} - {"outputs"}
        if (
            status not in (0, 1, 2)
            or "Traceback" in output
            or not (output or status == 0)
            or strayed
        ):
            wrong.append(
                f"{line} {file.read_text() if from_file else ''}: {status} {output[-300:]}"
            )
        seen["ended well" if status == 0 else "refused in words"] += 1
        shutil.rmtree(work)

    def write(line: dict[str, str]) -> list[str]:
        nested: dict[str, Any] = {}
        for key, value in line.items():
            *parents, last = key.split(".")
            node = nested
            for parent in parents:
                node = node.setdefault(parent, {}) if isinstance(node, dict) else {}
            if isinstance(node, dict):
                node[last] = value
        # Values are written as they are, for YAML to read: 0x10, nan, [a,b], (, ...
        file.write_text("# @package _global_\n" + json.dumps(nested).replace('"', ""))
        return ["experiment=odd"]

    @seed(0)
    @settings(
        max_examples=20 * times,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(lines)
    def generate(line: Any) -> None:
        if len(tried) < times and str(line) not in tried:
            tried.add(str(line))
            attempt(write(line) if from_file else line)

    file.parent.mkdir(parents=True)
    generate()
    output = f"{len(tried)} different ones: " + ", ".join(f"{n} {what}" for what, n in seen.items())
    assert not wrong, "\n\n".join([f"{output}, of these {len(wrong)} wrong", *wrong])
    return output


def long_run(folder: Path, steps: int) -> str:
    words = ["model.hidden=[2]", "seeds=1", "trainer.batch_size=1", f"trainer.steps={steps}"]
    words += ["trainer.log_every=10000", "trainer.evaluate_every=40", "checkpoint.every_seconds=5"]
    words += ["trainer.evaluate_examples=50", "estimator=st"]
    memory = []

    from bnrun.run.keeper import Keeper

    genuine = Keeper.after_step

    def after_step(keeper: Keeper) -> None:
        genuine(keeper)
        if keeper.training.step % (steps // 10) == 0:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    began = time.monotonic()
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, mock.patch.object(Keeper, "after_step", after_step):
        run = bnrun(folder / "long", *words)
    seconds = time.monotonic() - began
    growth = memory[-1] - memory[0]
    assert growth < 20, memory
    size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) / 2**20
    return (
        f"{steps:,} steps in {seconds:.0f} s: peak memory grew by {growth:.1f} MB after the first "
        f"tenth, files {size:.1f} MB"
    )


def main() -> None:
    """Try each fault and print the table."""
    torch.set_num_threads(1)
    random.seed(0)
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # Imports all that a run needs, so that the children which are forked have it already.
        bnrun(Path(folder), *RUN, "trainer.steps=2")
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    wanted = sys.argv[2:]

    def n(times: int) -> int:
        return max(1, round(times * share))

    faults: dict[str, Callable[[Path], str]] = {
        "killed at random moments": lambda f: kills(f, n(100)),
        **{
            f"{kind}, killed at random moments": lambda f, w=words: kills(f, n(20), *w)
            for kind, words in KINDS.items()
        },
        "sweep killed": lambda f: sweep_kills(f, n(10)),
        "joblib worker killed, resume=force": lambda f: pool_kills(f, n(10)),
        "disk full": lambda f: full_disk(f, n(20)),
        "folder read-only": lambda f: read_only(f, n(10)),
        "checkpoint with a flipped byte": lambda f: damaged(f, n(100), flip),
        "checkpoint cut": lambda f: damaged(f, n(50), cut("checkpoint.pt", 1, 10**9)),
        "metrics file torn": lambda f: damaged(f, n(20), cut("metrics.csv", 1, 300)),
        "event file torn": lambda f: damaged(f, n(20), cut("events.*", 1, 300)),
        "clock a day back": lambda f: damaged(f, n(5), lambda run: None, clock=-86400.0),
        "generated command lines": lambda f: bad_words(f, n(1000)),
        "generated config files": lambda f: bad_words(f, n(1000), from_file=True),
        "a long run": lambda f: long_run(f, n(1_000_000)),
    }
    print("| fault | seen |\n|---|---|", flush=True)
    for name, fault in faults.items():
        if wanted and not any(word in name for word in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {fault(Path(folder))} |", flush=True)


if __name__ == "__main__":
    main()
