"""Nets of logic gates."""

import itertools

import pytest
import torch
from alone import assert_trained_as_alone
from configured import built

from bnrun.core.noise import Noise
from bnrun.models.logic import Gates, Logic

SMALL = ["model=logic", "model.gates=30", "model.depth=2", "optimizer=adam", "optimizer.lr=0.05"]
SMALL += ["trainer.batch_size=40", "trainer.evaluate_examples=30", "trainer.final_examples=30"]
SOFT = ["neuron=real", "estimator=backprop"]


def gates_with(tables):
    """A layer whose gates look at both of two inputs and have these tables [4, gates]."""
    layer = Gates(2, tables.shape[1], "random")
    layer.first.zero_()
    layer.second.fill_(1)
    layer.table.visitor = lambda site, logits: tables
    return layer


def test_a_gate_looks_its_inputs_up_in_its_table(double):
    tables = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).T  # all 16 gates
    outputs = gates_with(tables)(torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]))
    assert torch.equal(outputs, tables)


# Of the bits a and b, in the order of their truth tables 00, 01, 10, 11 read as a number.
GATES = {
    "false": lambda a, b: 0 * a,
    "and": lambda a, b: a * b,
    "a and not b": lambda a, b: a * (1 - b),
    "a": lambda a, b: a,
    "b and not a": lambda a, b: b * (1 - a),
    "b": lambda a, b: b,
    "xor": lambda a, b: a + b - 2 * a * b,
    "or": lambda a, b: a + b - a * b,
    "nor": lambda a, b: (1 - a) * (1 - b),
    "xnor": lambda a, b: 1 - a - b + 2 * a * b,
    "not b": lambda a, b: 1 - b,
    "b implies a": lambda a, b: 1 - b + a * b,
    "not a": lambda a, b: 1 - a,
    "a implies b": lambda a, b: 1 - a + a * b,
    "nand": lambda a, b: 1 - a * b,
    "true": lambda a, b: 0 * a + 1,
}


@pytest.mark.parametrize("number", range(16), ids=list(GATES))
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_each_of_the_16_gates_is_the_polynomial_of_its_name(number, soft, double):
    gate = list(GATES.values())[number]
    rows = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    table = gate(*rows.T)
    assert table.tolist() == [float(bit) for bit in f"{number:04b}"]
    inputs = torch.rand(9, 2) if soft else rows
    outputs = gates_with(table.view(4, 1))(inputs).squeeze(1)
    torch.testing.assert_close(outputs, gate(*inputs.T), rtol=0, atol=1e-12 if soft else 0)


def test_of_probabilities_a_gate_makes_the_probability_of_its_output(double):
    tables, inputs = torch.rand(4, 7), torch.rand(5, 2)
    expected = torch.zeros(5, 7)
    for a, b in itertools.product([0, 1], repeat=2):
        p = (inputs[:, 0] if a else 1 - inputs[:, 0]) * (inputs[:, 1] if b else 1 - inputs[:, 1])
        expected += p.unsqueeze(1) * tables[2 * a + b]
    torch.testing.assert_close(gates_with(tables)(inputs), expected, rtol=0, atol=1e-9)


def test_the_wiring_is_the_seeds_own_and_uses_all_bits_equally_often():
    one, two = Logic(gates=100).build((64,), 10, [3, 7]), Logic(gates=100).build((64,), 10, [7])
    wires = dict(one.named_buffers())
    assert set(wires) == {f"layers.{n}.{end}" for n in range(3) for end in ("first", "second")}
    for name, wire in two.named_buffers():
        assert torch.equal(wires[name][1], wire[0])
        assert not torch.equal(wires[name][0], wire[0])
    uses = torch.cat([wires["layers.0.first"][0], wires["layers.0.second"][0]]).bincount()
    assert len(uses) == 64
    assert set(uses.tolist()) == {3, 4}  # 200 ends


def test_thresholded_the_net_is_a_circuit():
    run = built([*SMALL, *SOFT, "seeds=[3,7]", "trainer.steps=5", "model.init=random"])
    list(run.run())
    inputs = torch.rand(2, 6, 1, 8, 8)
    neurons = [estimator.evaluation_neuron for estimator in run.estimators]
    fired = run.model.passes(inputs)(neurons, [n.thresholded for n in neurons], Noise([3, 7]))
    state = {name: value[1] for name, value in run.model.state_dict().items()}
    for row in range(6):
        bits = [bool(pixel > 0.5) for pixel in inputs[1, row].flatten()]
        for layer in range(2):
            table = (state[f"layers.{layer}.logits"] > 0).T.tolist()
            ends = [state[f"layers.{layer}.{end}"].tolist() for end in ("first", "second")]
            pairs = zip(table, *ends, strict=True)
            bits = [gate[2 * bits[first] + bits[second]] for gate, first, second in pairs]
        counts = [sum(bits[3 * k : 3 * k + 3]) / 10 for k in range(10)]
        torch.testing.assert_close(fired.outputs[1, row], torch.tensor(counts))


def test_near_pass_through_every_gate_starts_as_a_wire():
    net = Logic(gates=500, depth=1).build((64,), 10, [0])
    p = net.get_parameter("layers.0.logits")[0].sigmoid()
    assert (p[2:] > 0.92).all()
    assert (p[:2] < 0.08).all()
    expected = torch.tensor([0.0476, 0.0476, 0.9524, 0.9524])
    torch.testing.assert_close(p.mean(1), expected, rtol=0, atol=0.002)
    assert p.std(1).min() > 0.003


@pytest.mark.parametrize("words", [SOFT, ["neuron=dbn", "estimator=sigmoid_st"]])
def test_digits_are_learned(words):
    common = ["seeds=1", "optimizer=adam", "optimizer.lr=0.03", "trainer.evaluate_every=1e9"]
    run = built(["model=logic", "model.depth=2", *words, *common, "trainer.steps=150"])
    records = list(run.run())
    assert records[-1].scalars["accuracy/test/thresholded"].item() > 0.7


def test_the_gap_is_the_accuracy_of_probabilities_minus_that_of_the_circuit():
    run = built([*SMALL, *SOFT, "seeds=[3,7]", "trainer.steps=3"])
    first = next(iter(run.run())).scalars
    for split in ("train", "validation", "test"):
        difference = first[f"accuracy/{split}/mean_field"] - first[f"accuracy/{split}/thresholded"]
        assert torch.equal(first[f"gap/accuracy/{split}"], difference)
    plain = next(iter(built(["seeds=[3]", "trainer.steps=1"]).run())).scalars
    assert not [tag for tag in plain if tag.startswith("gap/")]


@pytest.mark.parametrize("name", ["sigmoid_st", "reinforce_moving_average"])
def test_a_seed_is_trained_as_it_is_alone(name):
    assert_trained_as_alone([*SMALL, f"estimator={name}", "dtype=float64", "trainer.steps=3"])


def test_gates_that_cannot_be_divided_among_the_classes_are_refused():
    with pytest.raises(ValueError, match=r"model.gates=25: .* use a multiple of 10, e.g. 30"):
        Logic(gates=25).build((64,), 10, [0])
