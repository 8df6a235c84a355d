"""A rehearsal before step 1 passes every model of ours, and changes nothing."""

import pytest
import torch
from configured import built
from rehearsals import SEEDS
from same import same
from small import training

WORDS = {
    "mlp": ["model.hidden=[10,10]"],
    "cnn": ["model=cnn", "model.channels=[10,2]", "model.dense=10"],
    "vae": ["task=vae", "model=vae", "model.latent=[10,10]", "model.hidden=[10]"],
    "gated": ["task=gated", "model=gated", "model.hidden=10", "model.gater=10"],
    "autoencoder": ["task=autoencoder", "model=autoencoder", "model.code=10", "model.width=10"],
    "resnet": ["model=resnet", "model.width=3"],
    "rnn": ["model=rnn", "model.hidden=10"],
    "gan": ["task=gan", "model=generator_mlp", "model.hidden=[10]", "task.judge_steps=1"],
    "toy": ["task=toy", "model=bits", "model.units=10", "dataset=blank"],
    "structured": ["task=structured_prediction", "model.hidden=[10]", "model.norm=layer"],
    "bfloat16 products": ["trainer.products=bfloat16"],
    "float64": ["dtype=float64"],
}


@pytest.mark.parametrize("seeds", ["1", "2", "10", "30"])
@pytest.mark.parametrize("case", WORDS)
def test_every_model_of_ours_passes_and_nothing_is_changed(case, seeds):
    run = built([*WORDS[case], f"seeds={seeds}"])
    generator = torch.get_rng_state()
    before = run.state_dict()
    before = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in flat(before).items()}
    run.rehearse()
    after = flat(run.state_dict())
    assert same(
        {k: before[k] for k in before if "seconds" not in k},
        {k: after[k] for k in after if "seconds" not in k},
    )
    assert all(weight.grad is None for weight in run.model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def flat(state, prefix=""):
    """Nested dictionaries and lists as one dictionary."""
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    else:
        return {prefix: state}
    return {k: v for key, value in items for k, v in flat(value, f"{prefix}/{key}").items()}


def test_a_rehearsal_does_not_change_the_training():
    plain, rehearsed = (training(SEEDS, epochs=1) for _ in range(2))
    rehearsed.rehearse()
    for one, two in zip(plain.run(), rehearsed.run(), strict=True):
        assert one.scalars.keys() == two.scalars.keys()
        for tag, values in one.scalars.items():
            assert torch.equal(values, two.scalars[tag]), tag
