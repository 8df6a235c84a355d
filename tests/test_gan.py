"""The gan task: replicas, resuming, and how images are evaluated and shown."""

import pytest
import torch
from configured import built
from gans import SMALL, normal, steps
from same import same

from bnrun.core.network import Fired
from bnrun.core.neurons import DBN, SBN, Real
from bnrun.core.noise import Noise
from bnrun.data.base import Data, Split
from bnrun.tasks.gan.evaluation import generated, pixels


@pytest.mark.parametrize("game", ["gan", "wgan", "wgan_gp"])
def test_replica_alone_equals_replica_among_others(game):
    together = steps(built([*SMALL, f"game@task.game={game}"]), 4)
    for replica, seed in enumerate([3, 7]):
        alone = steps(built([*SMALL, f"game@task.game={game}", f"seeds=[{seed}]"]), 4)
        for net, other in (
            (together.model, alone.model),
            (together.task.opponent.critic, alone.task.opponent.critic),
        ):
            for one, all_ in zip(other.parameters(), net.parameters(), strict=True):
                torch.testing.assert_close(all_[replica], one[0], rtol=1e-9, atol=1e-11)
        scores, solo = together.observed()["scalars"], alone.observed()["scalars"]
        for tag in ("precision/test/sampled", "share_at_0/test/mean_field"):
            torch.testing.assert_close(scores[tag][replica], solo[tag][0], rtol=0, atol=1e-9)


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(tmp_path):
    whole = steps(built(SMALL), 7)
    first = steps(built(SMALL), 3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = built(SMALL)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    steps(second, 4)
    states = [run.state_dict() for run in (whole, second)]
    for state in states:
        del state["seconds"]
    assert same(*states)
    recorded = [run.observed()["scalars"] for run in (whole, second)]
    assert same(*recorded)


def test_a_missing_part_of_the_state_would_be_detected():
    """The test before this one can fail: each part of the state affects later steps."""
    for part in ("critic", "optimizer", "noise", "updates"):
        whole, second = steps(built(SMALL), 5), built(SMALL)
        state = steps(built(SMALL), 3).state_dict()
        state["parts"]["task"][part] = second.task.state_dict()[part]
        second.load_state_dict(state)
        steps(second, 2)
        assert not same(whole.task.state_dict()["critic"], second.task.state_dict()["critic"])


def test_annealing_reaches_what_the_critic_sees():
    run = built([*SMALL, "estimator.growth=50", "estimator.per=step", "estimator.slope=1"])
    run.step = 1
    (estimator,) = run.current_estimators()
    assert estimator.firing_neuron.slope == pytest.approx(50)
    scores = run.observed()["scalars"]
    flat = built(SMALL).observed()["scalars"]
    tag = "share_at_0/validation/mean_field"
    assert scores[tag].min() > flat[tag].max()


def test_real_images_are_the_pixels_above_the_threshold():
    raw = built(["dtype=float64"]).data
    recorded = {flag: built([*SMALL, f"task.all_images={flag}"]).data for flag in ("true", "false")}
    expected = (raw.train.inputs > 0).double().flatten(1)
    assert torch.equal(recorded["false"].train.targets, expected)
    assert len(recorded["true"].train.targets) == 1797
    for name in ("validation", "test"):
        expected = (getattr(raw, name).inputs > 0).double().flatten(1)
        assert torch.equal(getattr(recorded["true"], name).targets, expected)
    higher = built([*SMALL, "task.threshold=0.5"]).data.validation.targets
    assert torch.equal(higher, (raw.validation.inputs > 0.5).double().flatten(1))


def test_a_real_generator_is_evaluated_by_hard_threshold_and_by_sampling():
    """At the same weights, its thresholded way is a DBN's and its sampled way an SBN's."""
    run = built([*SMALL, "neuron=real", "estimator=backprop", "task.images=150"])
    split, task = run.data.test, run.task
    scores = [
        task.evaluate(run.model, [neuron], split, Noise([3, 7]), 2)
        for neuron in (Real(), DBN(), SBN())
    ]
    for score, ways in scores[0].items():
        for way, values in ways.items():
            torch.testing.assert_close(values, scores[1][score][way], rtol=0, atol=0)
            torch.testing.assert_close(values, scores[2][score][way], rtol=0, atol=0)
    assert set(scores[0]["precision"]) == {"thresholded", "sampled", "mean_field"}
    assert set(scores[0]["isolated"]) == {"thresholded", "sampled"}
    noise = Noise([3, 7])
    latent = noise.normal(torch.empty(2, 150, 6))
    logits = run.model.stages[0](latent)
    images = dict(generated(run.model, [Real()], latent, noise))
    assert torch.equal(images["thresholded"], (logits > 0).double())
    assert torch.equal(images["mean_field"], torch.sigmoid(logits))
    p = torch.sigmoid(logits)
    z = (images["sampled"] - p).sum() / (p * (1 - p)).sum().sqrt()
    assert abs(z) < 4
    assert set(images["sampled"].unique().tolist()) == {0.0, 1.0}


def test_pixels_of_signed_neurons_are_bits_as_well():
    logits = normal(2, 3, 4)
    for neuron in (DBN(), DBN(signed=True)):
        actual = pixels(Fired(neuron, logits, neuron.thresholded(logits, Noise([3, 7]))))
        assert torch.equal(actual, (logits > 0).double())


def test_images_and_histograms_are_observed():
    run = built(SMALL)
    recorded = run.observed()
    assert recorded["scalars"]["judge/accuracy"].shape == (2,)
    assert recorded["images"]["samples/sampled"].shape == (60, 8, 8)
    assert recorded["images"]["sigmoid_outputs/histogram"].shape[::2] == (2, 256)
    assert recorded["histograms"]["sigmoid_outputs"].shape[0] == 2
    again = run.observed()["images"]["samples/thresholded"]
    assert torch.equal(again, recorded["images"]["samples/thresholded"])


def test_data_and_models_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="last binary layer as the image of 64 pixels"):
        built([*SMALL[:1], "model=mlp", "task.judge_steps=1"])
    task = built(SMALL).task
    split = Split(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="task=gan needs grey images with classes"):
        task.prepared(Data("flat", split, split, split, shape=(3,), classes=2))


def test_a_task_is_shown_by_its_settings_alone():
    task = built(["task=gan", "model=generator_mlp", "task.judge_steps=1", "seeds=1"]).task
    assert "judge_steps=1" in repr(task)
    assert "evaluation=" not in repr(task)
    assert "opponent=" not in repr(task)
