"""One clear sentence for every mistake on the command line, before step 1."""

import pytest
from command_line import bnrun

MISTAKES = {
    "estimator=nonsense": "estimator=nonsense: no such choice, use one of",
    "trainer.epoch=3": "trainer.epoch: no such option, did you mean trainer.epochs?",
    "trainer.epochs=many": "trainer.epochs=many: should be a valid integer",
    "trainer.epochs=-1": "trainer.epochs=-1: should be greater than 0",
    "optimizer.lr=0": "optimizer.lr=0: should be greater than 0",
    "seeds=[1,1]": "a seed is listed twice",
    "name=../elsewhere": "name=../elsewhere: use up to",
    "model.hidden=[-5]": "model.hidden.0=-5: should be greater than 0",
    "estimator.slope=-1": "estimator.slope=-1: should be greater than 0",
    "trainer.final_samples=2000000": "trainer.final_samples=2000000: should be less than or equal",
    "neuron.slope=1e40": "neuron.slope=1e+40: should be less than or equal to",
    "estimator=exact": "2^100 patterns",
    "neuron=real": "does not support neuron Real: choose neuron=dbn or neuron=sbn",
    "trainer.batch_size=100000": "trainer.batch_size=100000 does not fit 1297",
    "dataset=file": "dataset.path: has no value yet",
    "output=/proc/nowhere": "/proc/nowhere",
    "+foo=3": "foo: no such option",
    "trainer.epochs": "trainer.epochs: not of the form key=value",
    "neuron=11": "neuron=11: Config group override must be a string or a list",
    "model=generator_mlp": "model=generator_mlp makes images from latent variables",
    "model=bits": "model=bits has its 1 bits as outputs, but the task wants 10",
    "game=wgan": "game: no such group, use one of",
    "seeds=1000000000000": "seeds=1000000000000: should be less than or equal to 10000",
    "seeds=[9223372036854775808]": "seeds.0=9223372036854775808: should be less than",
    "model.hidden=[100000000000]": "out of memory: try a smaller model",
    "task._target_=builtins.list": "builtins.list: has to be a subclass of bnrun.tasks.base.Task",
    "+neuron@layers.1.neuron=sbn": "layer 1 has no estimator, choose one, as in",
    "optimizer.momentum=x": "optimizer: SGD rejected lr=1.5, momentum=x",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(word, tmp_path):
    status, out, err = bnrun(tmp_path, word)
    assert status == 1
    assert out == ""
    assert MISTAKES[word] in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scheduler=step", "scheduler.step_size=0"), "StepLR rejected step_size=0"),
        (("scheduler=step", "scheduler.gamma=abc"), "StepLR rejected step_size=5, gamma=abc"),
        (("scheduler=exponential", "scheduler.gamma=-1"), "the learning rate becomes negative"),
        (("optimizer=adam", "optimizer.betas=[0.9]"), "Adam rejected lr=0.001, betas=[0.9]"),
        (("task=gan", "game=wgan"), "game: no such option, use game@task.game=..."),
        (("-m", "optimizer.lr=range(1,0)"), "optimizer.lr=range(1,0): the sweep is empty"),
        (("-m", "sweep.groups=3"), "sweep.groups=3: should be a list"),
        (("-m", "hydra.sweeper.max_batch_size=0"), "give a number of jobs above 0"),
    ],
)
def test_a_mistake_of_two_words_is_one_sentence_before_a_step(words, message, command, tmp_path):
    status, _, err = command(*words)
    assert status == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [("trainer: {epochs: (", "mine/experiment/odd.yaml"), ("trainer: 3", "trainer.steps")],
)
def test_a_mistake_in_the_users_own_file_is_one_sentence(content, message, tmp_path):
    path = tmp_path / "mine" / "experiment" / "odd.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"# @package _global_\n{content}\n")
    status, _, err = bnrun(tmp_path, "--config-dir=mine", "experiment=odd", "trainer.steps=3")
    assert status == 1
    assert message in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="there is a CUDA device")
def test_cuda_is_refused_if_there_is_none(tmp_path):
    status, _, err = bnrun(tmp_path, "device=cuda")
    assert status == 1
    assert "device=cuda: there is no CUDA device here" in err
