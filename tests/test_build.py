"""One route from a config to objects, for the command line, the notebook and the check of an
estimator."""

import inspect
import re
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest
from configured import built
from hydra.errors import MissingConfigException

import bnrun
from bnrun.config.compose import EstimatorConfig, composed, resolved
from bnrun.config.errors import UserError
from bnrun.conformance.target import configured
from bnrun.core.neurons import DBN, SBN
from bnrun.estimators.sigmoid_st import SigmoidST
from bnrun.run import build as root

PACKAGE = Path(bnrun.__file__).parent
SMALL = ["model.hidden=[4,3,2]", "seeds=[3,7]", "trainer.steps=2", "trainer.batch_size=5"]


def test_the_notebook_the_check_and_a_training_build_the_same_estimator():
    words = ["estimator=sigmoid_st", "estimator.slope=2.0", "neuron=dbn", "neuron.signed=true"]
    expected = SigmoidST(DBN(signed=True), slope=2.0)
    assert built([*SMALL, *words]).estimators == [expected] * 3
    assert configured("sigmoid_st", ["slope=2.0"])(DBN(signed=True)) == expected
    loaded = bnrun.load_estimator("sigmoid_st", neuron="dbn", slope=2.0)
    assert loaded == SigmoidST(DBN(), slope=2.0)


def test_each_layers_estimator_is_built_once(monkeypatch):
    counts: Counter[str] = Counter()
    genuine = root.build

    def counted(config, key):
        counts[key] += 1
        return genuine(config, key)

    monkeypatch.setattr(root, "build", counted)
    own = ["+estimator@layers.2=disarm", "+neuron@layers.2.neuron=sbn", "gradients.every=1"]
    first, second, third = built([*SMALL, *own]).estimators
    assert counts["estimator"] == 2  # of layers 1 and 3
    assert counts["layers.2"] == 1
    assert first is not third
    assert [type(e).__name__ for e in (first, second, third)] == [
        "SigmoidST",
        "DisARM",
        "SigmoidST",
    ]
    assert {key for key, count in counts.items() if count > 1} == {"estimator"}


def test_a_layer_that_the_model_does_not_have_is_refused():
    own = ["+estimator@layers.4=disarm", "+neuron@layers.4.neuron=sbn"]
    with pytest.raises(ValueError, match=r"layers\.4: the model has binary layers 1 to 3"):
        built([*SMALL, *own])


@pytest.mark.parametrize("fields", [{"slopee": 2.0}, {"neurons": "dbn"}])
def test_a_field_that_the_estimator_does_not_have_is_refused(fields):
    with pytest.raises(ValueError, match="the estimator has no such field, use one of neuron, slo"):
        bnrun.load_estimator("sigmoid_st", **fields)
    (key, value), *_ = fields.items()
    with pytest.raises(UserError, match=f"{key}: the estimator has no such field"):
        configured("sigmoid_st", [f"{key}={value}"])


def test_mistakes_of_a_notebook_are_value_errors_with_the_rule():
    with pytest.raises(ValueError, match="greater than 0"):
        bnrun.load_estimator("sigmoid_st", slope=-1.0)
    with pytest.raises(ValueError, match="neuron=sbn"):
        bnrun.load_estimator("exact", neuron="dbn")
    with pytest.raises(MissingConfigException):
        bnrun.load_estimator("nonsense")


def test_an_estimator_in_a_folder_of_the_user(tmp_path):
    (tmp_path / "estimator").mkdir()
    text = "_target_: bnrun.estimators.sigmoid_st.SigmoidST\nneuron: ${neuron}\nslope: 3.0\n"
    (tmp_path / "estimator" / "steep.yaml").write_text(text)
    expected = SigmoidST(SBN(), slope=3.0)
    assert bnrun.load_estimator("steep", config_dir=tmp_path) == expected
    assert configured("steep", config_dir=tmp_path)(SBN()) == expected


def test_the_parts_of_an_estimator_get_its_neuron():
    config = EstimatorConfig(["estimator=mixture"], {"weight": 0.25})
    for neuron in (SBN(signed=True), SBN(slope=2.0)):
        mixture = root.build_estimator(config.values(neuron))
        parts = (mixture, mixture.first, mixture.second)
        assert [part.neuron for part in parts] == [neuron] * 3
        assert mixture.weight == 0.25


def test_a_resolved_config_holds_plain_values_and_its_choices():
    config = resolved(composed(["neuron=dbn"], hydra_node=True))
    assert config["choices"]["neuron"] == "dbn"
    assert "hydra" not in config
    assert type(config["estimator"]["neuron"]) is dict
    with pytest.raises(ValueError, match="choices: no such option"):
        resolved(composed(["+choices.neuron=dbn"]))


def test_config_nodes_stay_in_few_files():
    pattern = re.compile("omegaconf|OmegaConf|DictConfig")
    plugins = PACKAGE.parent / "hydra_plugins"
    files = [*PACKAGE.rglob("*.py"), *plugins.rglob("*.py")]
    users = {str(f.relative_to(PACKAGE.parent)) for f in files if pattern.search(f.read_text())}
    assert users == {
        "bnrun/cli.py",
        "bnrun/config/compose.py",
        "bnrun/config/errors.py",
        "bnrun/config/hydra_api.py",
        "bnrun/config/part.py",
        "bnrun/config/sentence.py",
        "bnrun/config/show.py",
        "bnrun/runner.py",
        "bnrun/task.py",
        "bnrun/sweep/bare.py",
        "bnrun/sweep/configs.py",
    }


@pytest.mark.parametrize("module", [root, bnrun.__getattr__("load_estimator")])
def test_the_root_is_one_screen(module):
    file = Path(inspect.getfile(module))
    assert len(file.read_text().splitlines()) < 80


def test_hydra_is_the_version_that_its_internals_were_checked_with():
    assert version("hydra-core").startswith("1.3."), (
        "config/compose.py shares Hydra's ConfigStore and sweep/configs.py uses Hydra's internals: "
        "measure that both still pay, run test_startup and test_plan, and change the version here"
    )
