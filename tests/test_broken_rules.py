"""A call that breaks a rule of the contract is refused by the kit, by the name of the rule."""

import pytest
import torch

from bnrun.conformance.contract import broken_rules
from bnrun.conformance.measurement import measure
from bnrun.conformance.problems import problems
from bnrun.core.neurons import SBN
from bnrun.estimators.base import fire
from bnrun.estimators.tools.contract import ContractError
from bnrun.estimators.tools.gradients import inject

(NET,) = (net for net in problems() if net.name == "1 layer, quadratic")


def shared_randomness(logits, downstream, noise):
    loss = downstream((torch.rand(logits.shape) < 0.5).to(logits))
    return inject(loss, logits, torch.zeros_like(logits))


def mixes_replicas(neuron):
    def estimator(logits, downstream, noise):
        bits = fire(neuron, logits, noise)
        loss = downstream(bits)
        return inject(loss, logits, loss.detach().mean(-2, keepdim=True).unsqueeze(-1) * bits)

    return estimator


def divides_by_p(neuron):
    def estimator(logits, downstream, noise):
        bits = fire(neuron, logits, noise)
        return inject(
            downstream(bits), logits, bits / neuron.probability(logits.detach()) - 1 / bits
        )

    return estimator


def reads_memory_order(neuron):
    def estimator(logits, downstream, noise):
        bits = fire(neuron, logits, noise)
        order = torch.as_strided(bits, (bits.numel(),), (1,)).view(bits.shape)
        return inject(
            downstream(bits),
            logits,
            torch.as_strided(logits.detach(), (logits.numel(),), (1,)).view(logits.shape) * order,
        )

    return estimator


class Forgets:
    """Keeps a count that its state_dict does not hold."""

    def __init__(self, neuron):
        self.neuron, self.calls = neuron, 0

    def __call__(self, logits, downstream, noise):
        self.calls += 1
        loss = downstream(fire(self.neuron, logits, noise))
        return inject(loss, logits, self.calls * torch.ones_like(logits))

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def calls_backward(neuron):
    def estimator(logits, downstream, noise):
        loss = downstream(fire(neuron, logits, noise))
        loss.sum().backward(retain_graph=True)
        return loss

    return estimator


def averages_examples(neuron):
    return lambda logits, downstream, noise: downstream(fire(neuron, logits, noise)).mean(-1)


def forces_double(neuron):
    return lambda logits, downstream, noise: downstream(fire(neuron, logits, noise)).double()


def detaches(neuron):
    return lambda logits, downstream, noise: downstream(fire(neuron, logits, noise)).detach()


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda neuron: shared_randomness, "draw only from the `noise`"),
        (mixes_replicas, "a replica depends on the other replicas"),
        (divides_by_p, "not finite"),
        (reads_memory_order, "non-contiguous logits"),
        (Forgets, "gives different results"),
        (calls_backward, "never with backward"),
        (averages_examples, "it must return [*S, R, B]"),
        (forces_double, "a loss of torch.float64 for logits of torch.float32"),
        (detaches, "a loss without a gradient"),
    ],
)
def test_broken_rule_of_a_call_is_named(build, sentence):
    assert any(sentence in line for line in broken_rules(build, SBN()))


def test_samples_on_an_old_axis_are_refused_with_what_to_do():
    def estimator(logits, downstream, noise):
        bits = fire(SBN(), logits, noise)
        return downstream(torch.cat([bits, bits])).view(2, *logits.shape[:-1]).mean(0)

    with pytest.raises(ContractError, match="samples of one call on new axes in front"):
        measure(lambda neuron: estimator, NET)


def test_nothing_but_a_tensor_is_measured():
    with pytest.raises(ContractError, match="returned a float, not a tensor"):
        measure(lambda neuron: lambda logits, downstream, noise: 0.5, NET)
