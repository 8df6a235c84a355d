"""Trainings of the plain modules in nets.py, and of the chain that stands beside them."""

from configured import built

SMALL = ["trainer.batch_size=20", "trainer.log_every=1", "dtype=float64", "trainer.steps=20"]


def module(net, *words, seeds="[3,7]"):
    """A training of one of the modules in nets.py."""
    target = ["model=module", f"model.target=nets.{net}"]
    return built([*target, f"seeds={seeds}", *SMALL, *words])


def chain(*words, hidden="[6,5]"):
    return built(["model=mlp", f"model.hidden={hidden}", "seeds=[3,7]", *SMALL, *words])


def records(run):
    return [(record.step, record.scalars) for record in run.run()]


def plain(run, replica=0):
    """One of the modules, outside of the run."""
    net = type(run.model._nets[replica])((1, 8, 8), 10).double()
    values = {name: value[replica] for name, value in run.model.state_dict().items()}
    assert not net.load_state_dict(values, strict=False).unexpected_keys
    return net
