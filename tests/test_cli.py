"""The command line: one run from start to folder, and sweeps that find it again."""

import json
import signal
import time
from pathlib import Path

import polars
import pytest
from command_line import TINY, bnrun, start
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that has ended well: (working folder, run folder, standard output)."""
    folder = tmp_path_factory.mktemp("done")
    status, out, err = bnrun(folder, "name=first", *TINY)
    assert status == 0, err
    (run,) = (folder / "outputs" / "first").iterdir()
    return folder, run, out


def test_a_run_leaves_the_folder_of_the_contract(done):
    _, run, out = done
    assert run.name.startswith("sbn-sigmoid_st-digits-mlp-")
    names = {item.name.partition(".tfevents")[0] for item in run.iterdir()}
    assert names >= {".hydra", "events.out", "metrics.csv", "result.json"}
    assert str(run) in out.replace("\n", "")
    assert "tensorboard --logdir" in out


def test_result_holds_every_score_of_every_seed(done):
    _, run, _ = done
    result = json.loads((run / "result.json").read_text())
    assert result["seeds"] == [3, 7]
    assert result["steps"] == 4
    assert result["diverged"] == {}
    assert result["config"]["choices"]["estimator"] == "sigmoid_st"
    for split in ("train", "validation", "test"):
        for score in ("accuracy", "loss"):
            ways = result["scores"][split][score]
            assert set(ways) == {"sampled", "thresholded", "averaged", "mean_field"}
            assert all(len(values) == 2 for values in ways.values())
    assert result["data"]


def test_metrics_and_tensorboard_agree(done):
    _, run, _ = done
    metrics = polars.read_csv(run / "metrics.csv")
    assert {"step", "epoch", "seed", "tag", "value"} == set(metrics.columns)
    events = EventAccumulator(str(run))
    events.Reload()
    tags = set(metrics["tag"].unique())
    assert tags <= set(events.Tags()["scalars"])
    for group in ("loss/train", "gradient/logits/layer1", "gradient/parameter/head.0.weight"):
        assert group in tags
    for tag in ("units/layer1/firing_rate", "units/layer1/entropy", "schedule/learning_rate"):
        assert tag in tags
    rows = metrics.filter(tag="loss/train", step=4)
    (point,) = [event for event in events.Scalars("loss/train") if event.step == 4]
    assert point.value == pytest.approx(rows["value"].mean(), rel=1e-6)
    assert "weights/layer1" in " ".join(events.Tags()["images"])
    assert "logits/layer1" in events.Tags()["histograms"]


def test_the_same_command_finds_its_own_earlier_work(done):
    folder, run, _ = done
    before = (run / "result.json").stat().st_mtime_ns
    status, out, err = bnrun(folder, "name=first", *TINY)
    assert status == 0
    assert "skipped, because it is done" in err
    assert "thresholded" in out
    assert (run / "result.json").stat().st_mtime_ns == before


def test_options_that_do_not_affect_results_do_not_affect_the_run_id(done):
    folder, run, _ = done
    options = ("recorder.per_seed=true", "device=cpu")
    _, _, err = bnrun(folder, "name=first", *TINY, *options)
    assert "skipped, because it is done" in err
    assert [run] == list((folder / "outputs" / "first").iterdir())


def test_a_sweep_finds_the_run_of_a_number_that_was_written_another_way(command, tmp_path):
    assert command("optimizer.lr=1e-3", *TINY)[0] == 0
    _, out, _ = command("-m", "optimizer.lr=1e-3,0.20", *TINY, "sweep.dry_run=true")
    assert "2 jobs: 1 done, 1 missing" in out
    assert command("-m", "optimizer.lr=0.20,0.3", *TINY)[0] == 0
    assert "skipped, because it is done" in command("optimizer.lr=2e-1", *TINY)[2]


def test_a_custom_estimator_and_dataset_need_no_change_to_the_package(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import bnrun\n\n\n"
        "@bnrun.validated\n"
        "class Mine(bnrun.Estimator):\n"
        "    gain: float = 1.0\n\n"
        "    def __call__(self, logits, downstream, noise):\n"
        "        p = self.neuron.probability(logits)\n"
        "        return downstream(self.gain * p)\n"
    )
    config = tmp_path / "my" / "configs" / "estimator"
    config.mkdir(parents=True)
    (config / "mine.yaml").write_text("_target_: mine.Mine\nneuron: ${neuron}\ngain: 2.0\n")
    import numpy as np

    generator = np.random.default_rng(0)
    inputs = generator.random((60, 5), dtype=np.float32)
    np.savez(tmp_path / "mine.npz", train_inputs=inputs, train_targets=inputs.argmax(1))
    status, _, err = bnrun(
        tmp_path,
        "--config-dir",
        "my/configs",
        "estimator=mine",
        "dataset=file",
        "dataset.path=mine.npz",
        "trainer.batch_size=10",
        *TINY,
    )
    assert status == 0, err
    (run,) = (tmp_path / "outputs" / "default").iterdir()
    result = json.loads((run / "result.json").read_text())
    assert result["config"]["estimator"]["gain"] == 2.0


def test_a_sweep_with_an_impossible_job_starts_only_with_skip_invalid(tmp_path):
    words = ["-m", "name=sweep", "neuron=dbn,sbn", "estimator=st,exact", *TINY]
    status, _, err = bnrun(tmp_path, *words)
    assert status == 1
    assert "Exact does not support neuron DBN" in err
    assert "Traceback" not in err
    assert not (tmp_path / "outputs").exists()
    status, _, err = bnrun(tmp_path, *words, "sweep.skip_invalid=true")
    assert status == 0
    assert "sweep of 4 jobs: 3 done, 1 refused" in err
    runs = {path.parent.name for path in (tmp_path / "outputs/sweep").glob("*/result.json")}
    assert {name.rpartition("-")[0].split("-digits")[0] for name in runs} == {
        "dbn-st",
        "sbn-st",
        "sbn-exact",
    }


def test_ctrl_c_keeps_what_was_logged(tmp_path):
    options = ["trainer.epochs=100000", "trainer.log_every=1", "model.hidden=[6]", "seeds=1"]
    process = start(tmp_path, *options)
    deadline = time.monotonic() + 120
    metrics: list[Path] = []
    while not any(path.stat().st_size > 3000 for path in metrics):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        metrics = list(tmp_path.glob("outputs/default/*/metrics.csv"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    rows = polars.read_csv(metrics[0])
    assert rows["step"].max() > 5
    assert not list(tmp_path.glob("outputs/default/*/result.json"))
