"""Which estimators are measured, with which fields and neurons, against which reference."""

import pytest
from configured import built
from measuring_runs import ONE_LAYER, SMALL, TWO_LAYERS, measured

from bnrun.core.neurons import SBN


def test_the_automatic_reference_is_exact_as_long_as_that_can_be_afforded():
    for hidden, most, name in (
        ("[4]", 4, "exact"),
        ("[4]", 3, "local_expectation"),
        ("[2,3]", 5, "exact"),
        ("[2,3]", 4, "disarm"),
    ):
        words = [*SMALL, f"model.hidden={hidden}", f"gradients.max_units={most}"]
        assert built(words).instrument.reference.name == name


def test_tags_name_the_reference_of_a_dbn():
    scalars = measured([*ONE_LAYER, "neuron=dbn", "estimator=st"])
    assert {tag.split("/")[0] for tag in scalars} == {"gradients_vs_sbn"}
    assert scalars["gradients_vs_sbn/in_use/total/variance"].max() == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["neuron=real", "estimator=backprop"],
            "gradients.every measures gradient estimates of",
        ),
        (["gradients.reference=st"], "gradients.reference=st: this estimator is biased"),
        (
            ["gradients.reference=exact", "model.hidden=[3,7]"],
            r"gradients.reference=exact: would enumerate 2\^7 .*, but gradients.max_units=6",
        ),
        (
            ["neuron=dbn", "estimator=st", "gradients.estimators=[disarm]"],
            "does not support neuron",
        ),
        (["gradients.estimators=[{rloo:{samplez:2}}]"], "samplez: the estimator has no such field"),
        (["gradients.estimators=[{rloo:{samples:1}}]"], "samples"),
        (["gradients.estimators=[{rloo:{}}]"], "is not the name of an estimator, nor one name"),
        (["gradients.estimators=[{rloo:2}]"], "is not the name of an estimator, nor one name"),
        (["gradients.estimators=[{st:{slope:2},rloo:{samples:2}}]"], "nor one name with fields"),
        (["gradients.estimators=[3]"], "3 is not the name of an estimator"),
        (["gradients.estimators=[{rloo:{neuron:dbn}}]"], "its neurons are the net's"),
        (["gradients.estimators=[{mixture:{first:{slope:2}}}]"], "only numbers, true and false"),
        (["gradients.averages=[5000]"], "an average cannot be over more than"),
        (["+estimator@layers.3=st"], "layers.3: the model has binary layers 1 .. 2"),
    ],
)
def test_a_meaningless_measurement_is_rejected(words, text):
    with pytest.raises(Exception, match=text):
        built([*TWO_LAYERS, *words])


def test_an_estimator_is_measured_with_fields_beside_the_one_of_its_yaml():
    measured_ones = "[rloo,{rloo:{samples:2}},{rloo:{samples:2,nested:false}}]"
    training = built([*TWO_LAYERS, f"gradients.estimators={measured_ones}"])
    fields = {
        name: [(layer.samples, layer.nested) for layer in layers]
        for name, layers in training.instrument.estimators.items()
    }
    assert fields == {
        "rloo": [(4, True)] * 2,
        "rloo-samples=2": [(2, True)] * 2,
        "rloo-samples=2-nested=false": [(2, False)] * 2,
    }
    (scalars,) = training.measured()
    assert scalars["gradients/rloo/evaluations"].tolist() == [16, 16]
    assert scalars["gradients/rloo-samples=2/evaluations"].tolist() == [4, 4]
    assert scalars["gradients/rloo-samples=2-nested=false/evaluations"].tolist() == [3, 3]
    assert scalars["gradients/rloo-samples=2/total/bias_z"].abs().max() < 5


def test_each_layer_may_have_its_own_estimator_and_neuron():
    training = built([*TWO_LAYERS, "+estimator@layers.2=st", "+neuron@layers.2.neuron=dbn"])
    first, second = training.estimators
    assert type(first).__name__ == "SigmoidST"
    assert type(first.neuron).__name__ == "SBN"
    assert type(second).__name__ == "ST"
    assert type(second.neuron).__name__ == "DBN"
    assert [record.step for record in training.run()][-1] == 4


@pytest.mark.parametrize("neuron", ["sbn", "dbn"])
def test_the_reference_has_the_noise_of_the_neuron(neuron):
    words = [f"neuron={neuron}", "neuron.noise=normal", "neuron.slope=0.5", "estimator=st"]
    training = built([*TWO_LAYERS, *words, "gradients.estimators=[]"])
    references = [estimator.neuron for estimator in training.instrument.reference.estimators]
    assert references == [SBN(noise="normal", slope=0.5)] * 2
