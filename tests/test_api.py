"""The API for a notebook takes objects, minds no other Hydra program, and lists its names."""

from pathlib import Path

import hydra
import pytest
from hydra import compose, initialize, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

import bnrun
from bnrun.core.neurons import DBN, SBN


@pytest.mark.parametrize(
    ("name", "field"),
    [("mixture", "first"), ("mixture", "second"), ("schedule", "first"), ("schedule", "second")],
)
@pytest.mark.parametrize("part", ["arm", "exact", "relax"])
def test_an_object_that_is_given_is_the_one_that_is_used(name, field, part):
    given = bnrun.load_estimator(part)
    whole = bnrun.load_estimator(name, **{field: given})
    assert getattr(whole, field) is given
    other = "second" if field == "first" else "first"
    assert type(getattr(whole, other)) is type(getattr(bnrun.load_estimator(name), other))


def test_objects_and_values_go_together():
    given = bnrun.load_estimator("arm")
    mixture = bnrun.load_estimator("mixture", weight=0.25, first=given, second=given)
    assert mixture.weight == 0.25
    assert mixture.first is mixture.second is given


def test_an_object_of_a_wrong_kind_is_refused():
    with pytest.raises(ValueError, match="first"):
        bnrun.load_estimator("mixture", first=object())
    with pytest.raises(ValueError, match="third: the estimator has no such field"):
        bnrun.load_estimator("mixture", third=bnrun.load_estimator("st"))


@pytest.mark.parametrize("neuron", [SBN(slope=2.0), DBN()])
def test_a_neuron_may_be_an_object(neuron):
    assert bnrun.load_estimator("sigmoid_st", neuron).neuron == neuron


def test_a_folder_of_configs_that_does_not_exist_is_refused(tmp_path):
    for place in (tmp_path / "nope", str(tmp_path / "nope"), "nope"):
        with pytest.raises(ValueError, match=r"config_dir=.*nope: no such folder"):
            bnrun.load_estimator("st", config_dir=place)


def test_a_folder_of_configs_may_have_any_name(tmp_path, monkeypatch):
    folder = tmp_path / "it's, [my] = {configs}" / "estimator"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text("defaults: [sigmoid_st, _self_]\nslope: 3.0\n")
    assert bnrun.load_estimator("own", config_dir=folder.parent).slope == 3.0
    monkeypatch.setenv("HOME", str(tmp_path))
    assert bnrun.load_estimator("own", config_dir=Path("~") / folder.parent.name).slope == 3.0


@pytest.fixture
def theirs(tmp_path):
    """Configs of a program of the user's, with a group that ours have as well."""
    (tmp_path / "conf" / "estimator").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(
        "defaults: [estimator: theirs, _self_]\nneuron: 3\n"
    )
    (tmp_path / "conf" / "estimator" / "theirs.yaml").write_text("x: 1\n")
    (tmp_path / "conf" / "estimator" / "st.yaml").write_text("x: 2\n")
    yield tmp_path / "conf"
    GlobalHydra.instance().clear()


def test_a_program_that_uses_hydra_itself_gets_our_configs_and_keeps_its_own(theirs):
    expected = bnrun.load_estimator("st")
    with initialize_config_dir(str(theirs), version_base="1.2", job_name="theirs"):
        assert bnrun.load_estimator("st") == expected
        assert compose("config", ["estimator=st"]) == {"estimator": {"x": 2}, "neuron": 3}
        assert str(getbase()) == "1.2"
    assert not GlobalHydra.instance().is_initialized()
    initialize(None, version_base="1.3")
    assert bnrun.load_estimator("st") == expected
    assert GlobalHydra.instance().is_initialized()


def test_a_main_of_hydra_gets_our_configs(theirs, monkeypatch, tmp_path):
    answers = []

    @hydra.main(config_path=str(theirs), config_name="config", version_base="1.3")
    def program(config):
        answers.append((bnrun.load_estimator("st"), config.estimator.x))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["theirs"])
    program()
    assert answers == [(bnrun.load_estimator("st"), 1)]


def test_a_running_command_finds_the_configs_of_its_own_folder(command, tmp_path):
    folder = tmp_path / "my" / "estimator"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text("defaults: [st, _self_]\n")
    status, _, err = command(
        *("--config-dir=my", "trainer.steps=2", "seeds=1", "model.hidden=[4]"),
        *("gradients.every=1", "gradients.estimators=[own]", "gradients.draws=2"),
    )
    assert status == 0, err


def test_the_public_names_are_listed():
    assert set(bnrun.__all__) <= set(dir(bnrun))
    assert dir(bnrun) == sorted(dir(bnrun))
