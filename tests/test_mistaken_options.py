"""Options that would have no effect, or ask for what there is not, are refused by their own key."""

import pytest
from configured import built
from runs import bnrun

from bnrun.config.errors import UserError
from bnrun.run.keeper import Keeper

SMALL = ["model.hidden=[4]", "seeds=[3]", "trainer.steps=4", "trainer.batch_size=5"]
MEASURED = ["gradients.every=1", "gradients.draws=2"]
LIMITS = "sweep.limits={{tag:{},larger_is_better:true,at:{{2:0.0}}}}"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["neuron.noise=x"], "neuron.noise=x: should be 'logistic', 'normal' or 'uniform'"),
        (["+estimator@layers.1=st", "neuron.slope=-1"], "neuron.slope=-1: should be greater"),
        (["gradients.reference=nope"], "gradients.reference=nope: no such choice, use one of"),
        (["gradients.reference=reinmx"], "gradients.reference=reinmx: no such choice, did you"),
        (["gradients.estimators=[rlo]"], "gradients.estimators=rlo: no such choice, did you mean"),
        (
            ["gradients.estimators=[{rloo:{samples:1}}]"],
            "gradients.estimators=rloo: samples=1: should be greater than or equal to 2",
        ),
        (
            ["gradients.estimators=[{rloo:{sample:3}}]"],
            "gradients.estimators=rloo: sample: the estimator has no such field, use one of",
        ),
        (
            ["neuron=dbn", "estimator=st", "gradients.estimators=[disarm]"],
            "gradients.estimators=disarm: DisARM does not support neuron DBN: choose",
        ),
    ],
)
def test_a_mistake_is_named_by_the_key_that_the_user_wrote(words, text, command):
    status, _, err = command(*SMALL, *MEASURED, *words)
    assert status == 1
    assert err.startswith(f"bnrun: {text}")


def test_a_sweep_names_a_mistake_of_the_neuron_by_its_key(command):
    status, _, err = command("-m", *SMALL, "neuron.noise=x,normal")
    assert status == 1
    assert ": neuron.noise=x: should be" in err


def test_gradients_are_not_measured_on_more_examples_than_there_are():
    words = [*SMALL, *MEASURED, "dataset=blank", "task=toy", "model=bits", "dataset.examples=30"]
    words.remove("model.hidden=[4]")
    with pytest.raises(ValueError, match=r"gradients\.examples=31: there are only 30 training"):
        built([*words, "gradients.examples=31"])
    built([*words, "gradients.examples=30"])
    built([*words, "gradients.examples=31", "gradients.every=null"])


def test_signs_that_the_model_decides_about_cannot_be_chosen():
    gates = ["model=logic", "model.gates=20", "neuron=real", "estimator=backprop", *SMALL[1:]]
    with pytest.raises(ValueError, match=r"neuron\.signed=true: has no effect"):
        built([*gates, "neuron.signed=true"])
    built(gates)
    weights = built([*SMALL, "model.weights=binary", "estimator=st", "neuron.signed=true"])
    assert all(estimator.neuron.signed for estimator in weights.estimators)


@pytest.mark.parametrize(
    ("tag", "text", "step"),
    [
        ("acuracy/validation/sampled", "did you mean accuracy/validation/sampled", 1),
        ("schedule/learning", "did you mean schedule/learning_rate", 2),
        ("gradient/q", "use one of the tags in .*metrics.csv", 2),
        ("q", "use one of the tags in .*metrics.csv", 1),
    ],
)
def test_a_limit_of_a_curve_that_the_run_does_not_have_is_refused_early(
    tag, text, step, tmp_path, monkeypatch
):
    steps = []
    genuine = Keeper.after_step
    monkeypatch.setattr(
        Keeper, "after_step", lambda self: (steps.append(self.training.step), genuine(self))
    )
    with pytest.raises(UserError, match=f"sweep.limits.tag={tag}: this run has no such .*{text}"):
        bnrun(tmp_path, *SMALL, "trainer.log_every=2", LIMITS.format(tag))
    assert steps[-1] == step
    assert list(tmp_path.glob("*/metrics.csv"))


@pytest.mark.parametrize("tag", ["accuracy/validation/sampled", "loss/train", "schedule/layer1/x"])
def test_a_limit_of_a_curve_that_the_run_has_is_not(tag, tmp_path):
    words = [*SMALL, "trainer.log_every=2", "estimator=st_gumbel"]
    bnrun(tmp_path, *words, LIMITS.format(tag.replace("x", "temperature")))
    assert list(tmp_path.glob("*/result.json"))
