"""Which jobs a sweep's words stand for: each of them, by whatever words, and each of them once."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from sweeps import counts, ended, sweeping

from bnrun.config.compose import composed, resolved
from bnrun.config.errors import UserError
from bnrun.config.run_id import run_id
from bnrun.sweep.expansion import _by_key
from bnrun.sweep.plan import plan_jobs


def planned(*words, configs_of=None):
    """What each job sets of estimator, learning rate and study."""
    with sweeping([*words, "seeds=2"], configs_of=configs_of) as (sweep, _, jobs, _):
        plan = plan_jobs(jobs, sweep.configs)
        return [
            (job.config["choices"]["estimator"], job.config["optimizer"]["lr"], job.config["name"])
            for job in plan.jobs
        ], len(plan.repeats)


@pytest.mark.parametrize(
    "words",
    [
        ["estimator=st,st.yaml,./st,../estimator/st"],
        ["estimator=st", "optimizer.lr=0.1,1e-1,.1,0.10,+0.1"],
        ["estimator=st", "optimizer.lr=1,1.0,1e0"],
        ["estimator=st", "trainer.batch_size=20,20.0"],
        ["estimator=st", "trainer.steps=20,20.0"],
        ["estimator=st", "optimizer.nesterov=true,True,TRUE", "optimizer.momentum=0.9"],
        ["estimator=st", "seeds=3,[0,1,2]"],
        ["estimator=st", "model.hidden=[6],[ 6 ],[6.0]"],
        ["estimator=st", "hydra.sweeper.grids=[{optimizer.lr: 0.1}, {++optimizer.lr: 0.1}]"],
        ["estimator=st", "hydra.sweeper.grids=[{optimizer.lr: 1}, {optimizer.lr: 1.0}]"],
    ],
)
def test_the_same_job_by_other_words_is_one_job_and_it_is_reported(words, tmp_path):
    if not any(word.startswith("seeds") for word in words):
        words = [*words, "seeds=2"]
    text, launched, error = ended([*words, "sweep.groups=[]"], ["done"], tmp_path)
    assert error == ""
    assert len(launched) == 1
    assert counts(text) == (1, {"done": 1})
    assert text.startswith("listed more than once, run once: ")


def test_a_word_of_the_command_line_replaces_that_of_a_grid_also_with_a_plus():
    grids = "hydra.sweeper.params={optimizer.lr: '1,2', estimator: st}"
    jobs, repeats = planned(grids, "++optimizer.lr=0.1,0.2")
    assert jobs == [("st", 0.1, "default"), ("st", 0.2, "default")]
    assert repeats == 0


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["+new.key=1,2", "new.key=3"], "+new.key=3"),
        (["++new.key=1", "+new.key=2", "new.key=3"], "+new.key=3"),
        (["lr=1", "++lr=2"], "++lr=2"),
        (["lr=1", "lr=2"], "lr=2"),
    ],
)
def test_the_last_word_for_a_key_counts_and_keeps_the_plus_that_adds_it(words, kept):
    ((key, override),) = _by_key(OverridesParser.create().parse_overrides(words))
    assert f"{key}={override.value()}" == kept


@pytest.fixture
def recipes(tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    head = "# @package _global_\n"
    (folder / "a.yaml").write_text(
        head + "name: a\nhydra: {sweeper: {params: {optimizer.lr: '0.1,0.2'}}}"
    )
    (folder / "b.yaml").write_text(
        head + "name: b\nhydra: {sweeper: {grids: [{estimator: 'st,arm'}, {optimizer.lr: 3}]}}"
    )
    (folder / "c.yaml").write_text(
        head + "name: c\nbudget: x\nbudgets: [x, y]\n"
        "hydra: {sweeper: {params: {optimizer.lr: \"${by_budget:1,'2,3'}\"}}}"
    )
    return tmp_path / "mine"


def test_every_recipe_of_a_sweep_brings_its_own_params_and_grids(recipes):
    jobs, _ = planned("experiment=a,b", configs_of=recipes)
    default = "sigmoid_st"
    lr = jobs[2][1]
    assert jobs == [
        *((default, 0.1, "a"), (default, 0.2, "a")),
        *(("st", lr, "b"), ("arm", lr, "b"), (default, 3, "b")),
    ]


def test_every_budget_of_a_sweep_brings_its_own_params(recipes):
    jobs, _ = planned("experiment=c", "budget=x,y", configs_of=recipes)
    assert [lr for _, lr, _ in jobs] == [1, 2, 3]


def test_params_of_a_recipe_that_cannot_be_used_are_refused(recipes):
    with pytest.raises(UserError, match=r"experiment=a .*: sets params or grids of hydra.sweeper"):
        planned("+hydra.sweeper.params={experiment: 'a,b'}", configs_of=recipes)


def test_jobs_that_differ_in_nothing_that_affects_results_are_refused(tmp_path):
    words = ["estimator=st", "recorder.per_seed=true,false", "seeds=2"]
    text, launched, error = ended(words, ["done"], tmp_path)
    assert launched == []
    assert "duplicate of an earlier job: recorder.per_seed does not affect results" in text
    assert error.startswith("1 of 2 jobs cannot be run")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lr=interval(0,1)"], "a sweep needs single values"),
        (["optimizer.lr=range(1,1)"], "the sweep is empty because a range is empty"),
        (["hydra.sweeper.params=x"], "hydra.sweeper.params=x: give values by key"),
        (["hydra.sweeper.grids=[x]"], "give a list of values by key"),
        (["hydra.sweep.subdir=${hydra.job.num}"], "has no value before the jobs start"),
        (["hydra.sweep.subdir=${hydra.job.id}"], "has no value before the jobs start"),
        (["sweep.fail_fast=true,false"], "a sweep has one value for it"),
        (["hydra.sweep.subdir=x", "estimator=st,arm"], "1 of 2 jobs cannot be run"),
    ],
)
def test_what_cannot_be_swept_over_is_a_sentence(words, message, tmp_path):
    with (
        pytest.raises((UserError, HydraException), match=message),
        sweeping(words, output=tmp_path) as (sweep, _, jobs, _),
    ):
        sweep.run(jobs)
    assert list(tmp_path.iterdir()) == []


def test_a_reason_is_given_once_with_the_number_of_its_jobs(tmp_path):
    words = ["estimator=st,sigmoid_st", "optimizer.lr=0.1,0.2", "budget=smoke", "seeds=2"]
    text, launched, error = ended(words, ["done"], tmp_path)
    assert launched == []
    assert text.count("budget=smoke: nothing in this config depends on a budget") == 1
    assert text.startswith("refused: 4 of 4 jobs, like sbn-st-digits-mlp")
    assert error == "4 of 4 jobs cannot be run, so none was started: fix them"


def test_names_of_the_users_are_no_markup_and_no_control_characters(tmp_path):
    output = f"{tmp_path}/x[/b] :smile: \x1b[31m"
    words = ["estimator=st,arm", "seeds=2", "sweep.groups=[]", "name=n1,n2"]
    quoted = "'" + output + "'"
    text, launched, _ = ended(words, ["done", "failed"], quoted)
    assert len(launched) == 4
    assert "\x1b" not in text
    assert "[/b] :smile: \\x1b[31m/n1" in text


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (["estimator=st"], ["estimator=st.yaml"]),
        (["estimator=st"], ["estimator=../estimator/st"]),
        (["experiment=fair"], ["experiment=fair.yaml"]),
        (["optimizer.lr=0.1"], ["++optimizer.lr=1e-1"]),
        (["trainer.batch_size=20"], ["trainer.batch_size=+20"]),
        (["optimizer.nesterov=true"], ["optimizer.nesterov=TRUE"]),
        (["gradients.every=null"], ["gradients.every=Null"]),
    ],
)
def test_the_same_run_by_other_words_has_the_same_folder(words, others):
    first, second = (run_id(resolved(composed(w, hydra_node=True)), w) for w in (words, others))
    assert first == second
