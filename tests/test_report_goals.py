"""The report judges every run by the goal that the run itself names."""

import json
from pathlib import Path
from typing import Any

import pytest
from studies import change, compared, far, finish, record

from bnrun.recording.tags import ScoreName
from bnrun.report.compare.verdict import verdicts
from bnrun.report.compare.yardstick import Wanted
from bnrun.report.files import panels_of
from bnrun.report_cli import main

WAYS = ("thresholded", "sampled", "mean_field")

pytestmark = pytest.mark.usefixtures("here")


def nll(folder: str, offset: float, estimator: str, **options: Any) -> Path:
    """A run whose goal is a low score called nll."""
    return finish(folder, far(offset), estimator, score="nll", larger=False, **options)


def test_less_is_better_if_the_runs_say_so() -> None:
    nll("a", 0.3, "st")
    nll("b", 0.1, "reinmax")
    (contest,) = compared()
    (pair,) = contest.pairs
    assert [c.label for c in contest.contestants] == ["reinmax", "st"]
    assert pair.difference.mean == pytest.approx(0.2)
    assert pair.difference.improvement == 1.0
    (verdict,) = verdicts([contest])
    assert verdict.headline == "reinmax wins by 0.20000 (test nll sampled)"
    assert verdict.detail.startswith("Test nll sampled (less is better) 0.6009")


def test_more_is_better_if_the_runs_say_so_whatever_the_name_of_the_score() -> None:
    finish("a", far(0.3), "st", score="loss")
    finish("b", far(0.1), "reinmax", score="loss")
    assert [c.label for c in compared()[0].contestants] == ["st", "reinmax"]


def test_the_learning_rate_with_the_lowest_score_is_chosen_if_less_is_better() -> None:
    for estimator in ("st", "reinmax"):
        nll(f"{estimator}1", 0.1, estimator, lr=0.1, validation=far(0.3))
        nll(f"{estimator}2", 0.3, estimator, lr=1.0, validation=far(0.2))
    assert {c.tuned for c in compared()[0].contestants} == {"optimizer.lr=1.0"}


def test_without_scores_on_validation_nothing_is_chosen() -> None:
    for estimator in ("st", "reinmax"):
        for rate in (0.1, 1.0):
            place = nll(f"{estimator}{rate}", rate, estimator, lr=rate)
            change(place, scores={"test": {"nll": {"sampled": far(rate)}}})
    contests = compared()
    assert [c.setting for c in contests] == ["optimizer.lr=0.1", "optimizer.lr=1.0"]
    assert {c.tuned for contest in contests for c in contest.contestants} == {""}


def test_a_custom_neuron_is_judged_by_the_way_that_its_run_names() -> None:
    neurons = {"my_dbn": "thresholded", "my_real": "mean_field", "my_sbn": "sampled"}
    for neuron, way in neurons.items():
        for estimator in ("st", "reinmax"):
            place = finish(f"{neuron}{estimator}", far(0.0), estimator, neuron=neuron)
            ways = {name: far(0.3 if name == way else 0.0) for name in WAYS}
            change(place, way=way, scores={"test": {"accuracy": ways}})
    contests = compared()
    assert {c.setting: c.yardstick.way for c in contests} == {
        f"neuron={neuron}": way for neuron, way in neurons.items()
    }
    assert {round(c.mean, 1) for contest in contests for c in contest.contestants} == {0.8}


def test_a_goal_may_name_its_way_of_evaluating() -> None:
    for estimator, offset in (("st", 0.0), ("reinmax", 0.1)):
        place = nll(estimator, offset, estimator, way="averaged")
        ways = {"sampled": far(0.9), "averaged": far(offset)}
        change(place, scores={"test": {"nll": ways}, "validation": {"nll": ways}})
    assert [round(c.mean, 1) for c in compared()[0].contestants] == [0.5, 0.6]


def test_the_first_way_of_evaluating_counts_if_the_neurons_own_is_missing() -> None:
    for estimator, offset in (("st", 0.0), ("reinmax", 0.1)):
        place = nll(estimator, offset, estimator)
        change(place, scores={"test": {"nll": {"mean_field": far(offset)}}})
    assert [c.label for c in compared()[0].contestants] == ["st", "reinmax"]
    assert main(["study"]) == 0


def test_a_score_measured_only_on_another_split_counts_there() -> None:
    for estimator, offset in (("st", 0.0), ("reinmax", 0.1)):
        place = nll(estimator, offset, estimator)
        change(place, scores={"samples": {"nll": {"sampled": far(offset)}}})
    assert compared()[0].yardstick.text == "samples nll sampled"
    assert main(["study"]) == 0
    assert "samples nll sampled" in Path("study/report.md").read_text()


def test_a_run_without_the_score_of_its_goal_is_named_and_not_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nll("a", 0.0, "st")
    nll("b", 0.1, "reinmax")
    change(nll("c", 0.2, "disarm"), scores={"test": {"elbo": {"sampled": far(0.0)}}})
    assert main(["study"]) == 0
    assert "not compared, because it does not have the score: study/c" in capsys.readouterr().out
    assert "reinmax" in Path("study/report-pairs.csv").read_text()
    assert "disarm" not in Path("study/report-pairs.csv").read_text()


def test_runs_of_several_tasks_are_judged_by_the_goal_of_each() -> None:
    for task, score, larger in (("vae", "nll", False), ("classification", "accuracy", True)):
        for estimator, offset in (("st", 0.0), ("reinmax", 0.1)):
            place = finish(f"{task}{estimator}", far(offset), estimator, score=score, larger=larger)
            config = json.loads((place / "result.json").read_text())["config"]
            config["choices"]["task"] = task
            change(place, config=config)
    best = {c.setting: (c.yardstick.text, c.contestants[0].label) for c in compared()}
    assert best == {
        "task=classification": ("test accuracy sampled", "reinmax"),
        "task=vae": ("test nll sampled", "st"),
    }
    assert main(["study", "--latex", "--figures"]) == 0
    # No table has two kinds of scores; the winner is bold in each.
    accuracy, nll = Path("study/report.tex").read_text().split(r"\end{table}")[:2]
    assert r"\caption{Test accuracy sampled: mean" in accuracy
    assert r"reinmax & \textbf{0.60090" in accuracy
    assert r"\caption{Test nll sampled (less is better): mean" in nll
    assert r"st & \textbf{0.50090" in nll


def test_tasks_do_not_compete() -> None:
    for task, score in (("vae", "nll"), ("classification", "accuracy")):
        place = finish(task, far(0.0), score=score)
        config = json.loads((place / "result.json").read_text())["config"]
        config["choices"]["task"] = task
        change(place, config=config)
    assert [len(contest.contestants) for contest in compared()] == [1, 1]


def test_every_output_has_a_score_of_which_less_is_better() -> None:
    for estimator, offset in (("st", 0.3), ("reinmax", 0.1)):
        for rate in (0.1, 1.0):
            place = nll(f"{estimator}{rate}", offset, estimator, lr=rate)
            curve = {"nll/test/sampled": [far(0.9), far(offset)], "loss/train": [far(0.9)]}
            record(place, {**curve, "gradients/in_use/evaluations": [[2.0] * 10]}, 10)
    assert main(["study", "--latex", "--figures"]) == 0
    html = Path("study/report.html").read_text()
    assert "<h1>reinmax wins by 0.20000 (test nll sampled)</h1>" in html
    for caption in (
        "Validation nll sampled against learning rate",
        "Test nll sampled against updates",
        "Test nll sampled against wall time",
        "Test nll sampled against downstream evaluations",
    ):
        assert f"<figcaption>{caption}</figcaption>" in html
    assert "test nll sampled (less is better)" in html
    assert "test nll sampled" in Path("study/report.md").read_text()
    assert r"\textbf{0.60090" in Path("study/report.tex").read_text()
    assert ",reinmax,st," in Path("study/report-pairs.csv").read_text()


def test_the_best_has_the_strongest_colour() -> None:
    for neuron in ("sbn", "my_sbn"):
        nll(f"{neuron}a", 0.3, "st", neuron=neuron)
        nll(f"{neuron}b", 0.1, "reinmax", neuron=neuron)
    main(["study"])
    heat = Path("study/report.html").read_text().split("at a glance")[1].split("</table>")[0]
    assert heat.index("reinmax") < heat.index("--share:70.0%") < heat.index(">st<")


def test_a_score_without_a_known_direction_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for estimator, offset in (("st", 0.3), ("reinmax", 0.1)):
        place = finish(estimator, far(0.0), estimator)
        change(place, scores={"test": {"fid": {"sampled": far(offset)}, "accuracy": {}}})
    assert main(["study", "--score", "test/fid/sampled"]) == 1
    assert "add --better=more or --better=less" in capsys.readouterr().err
    assert main(["study", "--score", "test/fid/sampled", "--better", "less"]) == 0
    assert ",reinmax,st," in Path("study/report-pairs.csv").read_text()
    assert main(["study", "--score", "test/fid/sampled", "--better", "more"]) == 0
    assert ",st,reinmax," in Path("study/report-pairs.csv").read_text()


def test_less_of_a_loss_is_better_even_if_it_is_not_the_goal() -> None:
    for estimator, offset in (("st", 0.3), ("reinmax", 0.1)):
        place = finish(estimator, far(0.0), estimator)
        change(place, scores={"test": {"loss": {"sampled": far(offset)}}})
    (contest,) = compared(Wanted(ScoreName("test", "loss", "sampled"), None))
    assert contest.contestants[0].label == "reinmax"


def test_another_setting_competes_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    for neuron, bonus in (("sbn", 0.1), ("dbn", 0.0)):
        for estimator in ("st", "reinmax"):
            finish(f"{neuron}{estimator}", far(bonus), estimator, neuron=neuron)
    assert main(["study", "--by", "neuron"]) == 0
    assert "estimator=st: sbn wins" in capsys.readouterr().out
    assert main(["study", "--by", "neuron", "estimator"]) == 0
    assert "sbn reinmax" in capsys.readouterr().out
    assert main(["study", "--by", "colour"]) == 1
    assert "colour: not a setting of these runs, use neuron" in capsys.readouterr().err


def test_downstream_evaluations_are_those_in_the_result() -> None:
    for estimator, offset, cost in (("st", 0.3, 1.0), ("disarm", 0.1, 2.0)):
        place = finish(estimator, far(offset), estimator)
        change(place, evaluations=cost)
        record(place, {"accuracy/test/sampled": [far(0.0), far(offset)]}, 10)
    panel = next(p for p in panels_of(compared()[0], []) if p.xlabel == "downstream evaluations")
    assert {line.label: line.x.tolist() for line in panel.lines} == {
        "st": [0.0, 10.0],
        "disarm": [0.0, 20.0],
    }
