"""A sweep of thousands of jobs is planned by setting values; the configs are those of Hydra."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from bnrun.config.compose import resolved
from bnrun.config.hydra_api import BASE
from bnrun.config.paths import CONFIGS
from bnrun.config.run_id import run_id
from bnrun.sweep.configs import Configs
from bnrun.sweep.plan import plan_jobs

JOBS = [
    "optimizer.lr=0.1",
    "optimizer.lr=0.3",
    "optimizer.lr=0.3 optimizer.lr=0.2",
    "estimator=st optimizer.lr=0.1",
    "optimizer.lr=0.1 estimator=st trainer.steps=7",
    "neuron=dbn",
    "experiment=fair optimizer.lr=0.1",
    "optimizer.lr=0.1 experiment=fair",
    "estimator=sigmoid_st estimator.slope=2.0 neuron=dbn neuron.signed=true",
    "+estimator@layers.2=disarm model.hidden=[5,5]",
    "+estimator@layers.2=disarm +neuron@layers.2.neuron=sbn layers.2.neuron.slope=2",
    "~scheduler",
    "+optimizer.amsgrad=true optimizer.lr=0.1",
    "++optimizer.amsgrad=true",
    "trainer.steps=3 ~trainer.steps",
    "model={hidden:[3]} seeds=[1,2]",
    "trainer={steps:4}",
    "seeds=3 name=other output=elsewhere device=cpu",
    "name=other dataset=mnist dataset.root=${output}",
    "optimizer=adam optimizer.betas=[0.8,0.9]",
    "gradients.estimators=[st,disarm] gradients.every=0.5",
]
WRONG = [
    "nothing=3",
    "estimator=nothing",
    "trainer.epoch=3",
    "trainer.epochs.x=2",
    "+seeds=4",
    "seeds=1,2",
]


@pytest.fixture
def loader():
    with initialize_config_dir(str(CONFIGS), **BASE):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture
def sweep(loader):
    words = ["hydra.sweep.dir=outputs/x", "trainer.batch_size=20,50"]
    return loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)


def test_a_planned_config_is_the_one_that_hydra_composes(loader, sweep):
    configs = Configs(loader, sweep)
    for _ in range(2):  # Nothing of a job is left in the next one's config.
        for job in JOBS:
            planned, composed = (
                configs.composed(job.split()),
                loader.load_sweep_config(sweep, job.split()),
            )
            assert OmegaConf.to_container(planned) == OmegaConf.to_container(composed), job
            if "~" not in job:
                first, second = (
                    run_id(resolved(config), config.hydra.overrides.task)
                    for config in (planned, composed)
                )
                assert first == second, job
                assert planned.hydra.sweep.subdir == composed.hydra.sweep.subdir


OWN = [
    "hydra.sweep.dir=outputs/${name}/lr${optimizer.lr}",
    "hydra.sweep.dir=outputs/${hydra.job.override_dirname}",
    "hydra.sweep.subdir=${optimizer.lr}",
    "++hydra.sweeper.params={trainer.steps:'${trainer.batch_size},3'}",
]
FEW = ["optimizer.lr=0.1", "trainer.batch_size=7 name=a", "model.hidden=7", "seeds=[1,2]", "x=1"]


@pytest.mark.parametrize(("own", "jobs"), [("name=x", JOBS), *((own, FEW) for own in OWN)])
def test_a_job_planned_without_its_whole_config_is_the_same(own, jobs, loader):
    """Its values are set in the config that jobs before it have used."""
    sweep = loader.load_configuration("config", [own], run_mode=RunMode.MULTIRUN)
    planned, composed = Configs(loader, sweep), Configs(loader, sweep)
    composed._quick = lambda words: None

    def answer(configs, job):
        try:
            return configs._quick(job.split()) or configs._slow(job.split())
        except Exception as error:
            return type(error), str(error)

    for job in [*jobs, *reversed(jobs)]:
        if "~" not in job:
            assert repr(answer(planned, job)) == repr(answer(composed, job)), job


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_override_raises_what_hydra_raises(words, loader, sweep):
    with pytest.raises(HydraException) as planned:
        Configs(loader, sweep)(words.split())
    with pytest.raises(HydraException) as composed:
        loader.load_sweep_config(sweep, words.split())
    assert str(planned.value) == str(composed.value)


def test_hydra_composes_once_for_each_choice_of_groups(loader, sweep, monkeypatch):
    genuine, count = loader.load_sweep_config, []

    def counted(*words):
        count.append(words)
        return genuine(*words)

    monkeypatch.setattr(loader, "load_sweep_config", counted)
    words = [
        [f"neuron={neuron}", f"optimizer.lr={lr}", "estimator=st", f"trainer.steps={steps}"]
        for neuron in ("sbn", "dbn")
        for lr in (0.1, 0.2, 0.3)
        for steps in (1, 2, 3)
    ]
    jobs = plan_jobs(words, Configs(loader, sweep)).jobs
    assert len({job.folder for job in jobs}) == 18
    assert {job.status for job in jobs} == {"missing"}
    assert len(count) == 2
