"""load_runs: the scores and curves of many runs as frames."""

import math

import polars as pl
import pytest
from conftest import TINY

import bnrun
from bnrun.recording.history import read_metrics
from bnrun.report.read.frames import Runs

pytestmark = pytest.mark.filterwarnings("ignore:(?s).*validated against ConfigStore schema")

TAG = "accuracy/validation/sampled"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study of four runs, which differ in estimator, learning rate and clipping."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        folder = bnrun.run(*TINY, "estimator=st", "trainer.clip_norm=1.5").folder.parent
        bnrun.run(*TINY, "estimator=gumbel_sigmoid", "seeds=[3]")
        bnrun.sweep(*TINY, "estimator=st", "optimizer.lr=0.1,0.3")
    return folder


def test_scores_have_a_row_per_run_seed_split_score_and_way(study):
    runs = bnrun.load_runs(study)
    expected = {
        (str(run.folder), seed, split, score, way, value)
        for run in runs
        for split, scores in run.result["scores"].items()
        for score, ways in scores.items()
        for way, values in ways.items()
        for seed, value in zip(run.result["seeds"], values, strict=True)
    }
    columns = ["run", "seed", "split", "score", "way", "value"]
    assert len(runs) == 4
    assert runs.scores.height == len(expected)
    assert set(runs.scores.select(columns).rows()) == expected


def test_settings_that_differ_are_columns_of_their_own_types(study):
    scores = bnrun.load_runs(study).scores
    schema = dict(scores.schema)
    names = ("neuron", "estimator", "dataset", "model")
    assert {name: schema[name] for name in names} == dict.fromkeys(names, pl.String)
    assert schema["optimizer.lr"] == pl.Float64
    assert schema["trainer.clip_norm"] == pl.Float64
    assert "trainer.steps" not in schema  # the same in all runs
    assert "seeds" not in schema  # a column of its own
    assert set(scores["trainer.clip_norm"].unique()) == {None, 1.5}
    per_run = scores.filter(pl.col("estimator") == "st")["optimizer.lr"].unique().sort().to_list()
    assert per_run == [0.1, 0.3, 1.5]


def test_curves_are_the_recorded_ones_with_settings(study):
    runs = bnrun.load_runs(study)
    for run in runs:
        recorded = read_metrics(run.folder)
        curves = runs.curves().filter(pl.col("run") == str(run.folder))
        assert curves.select(recorded.columns).equals(recorded)
        assert run.curves().select(recorded.columns).equals(recorded)
    one, two = runs.curves(TAG), runs.curves([TAG, "loss/train"])
    assert set(one["tag"]) == {TAG}
    assert set(two["tag"]) == {TAG, "loss/train"}
    assert two.filter(pl.col("tag") == TAG).equals(one)
    assert one.columns[:2] == ["run", "neuron"]
    assert one.columns[-5:] == ["step", "epoch", "seed", "tag", "value"]
    assert runs.tags == list(dict.fromkeys(runs.curves()["tag"]))


def test_a_tag_that_no_run_has_is_explained(study):
    runs = bnrun.load_runs(study)
    with pytest.raises(ValueError, match=r"no run has a curve of that name, use one like .*" + TAG):
        runs.curves("accuracy/validation/sample")
    with pytest.raises(ValueError, match=r"xyz: no run has a curve .* use one of \.tags"):
        runs.curves(["loss/train", "xyz"])


def test_runs_are_a_sequence(study):
    runs = bnrun.load_runs(study)
    assert [run.folder for run in runs[1:3]] == [runs[1].folder, runs[2].folder]
    assert isinstance(runs[:2], Runs)
    assert runs[0].folder.name in repr(runs[0])
    assert runs[0].scores.height == runs.scores.filter(pl.col("run") == str(runs[0].folder)).height
    assert Runs([]).scores.height == 0


def test_a_score_that_is_not_finite_is_nan(study):
    (run,) = bnrun.load_runs(bnrun.load_runs(study)[0].folder)
    run.result["scores"]["test"]["loss"]["sampled"][0] = math.nan
    assert run.scores["value"].is_nan().sum() == 1


def test_folders_without_a_finished_run_are_explained(tmp_path, study):
    with pytest.raises(ValueError, match="no such folder"):
        bnrun.load_runs(tmp_path / "none")
    with pytest.raises(ValueError, match="no run in"):
        bnrun.load_runs(tmp_path)
    (tmp_path / "unfinished" / ".hydra").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"the run .* is not finished"):
        bnrun.load_runs(tmp_path)
    assert len(bnrun.load_runs(tmp_path, study)) == 4
    (tmp_path / "unfinished" / "result.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        bnrun.load_runs(tmp_path, study)
