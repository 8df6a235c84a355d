"""A checkpoint holds everything that moves, shows every damage, and runs nothing."""

import pickle
import zipfile

import pytest
import torch
from configured import built
from same import same
from small import training

from bnrun.core.neurons import SBN
from bnrun.estimators.reinforce import Reinforce
from bnrun.estimators.relax import RELAX
from bnrun.estimators.schedule import Schedule
from bnrun.estimators.straight_through import ST
from bnrun.estimators.tools.baselines import NVIL, MovingAverage
from bnrun.models.mlp import MLP
from bnrun.run.checkpoint import (
    CHECKPOINT,
    PREVIOUS,
    DamagedError,
    Header,
    read_header,
    read_state,
    write_checkpoint,
)

CPU = torch.device("cpu")
HEADER = Header(config={"a": 1}, data={"file": "sum"}, step=3)
ESTIMATORS = {
    "st": lambda: ST(neuron=SBN()),
    "moving average": lambda: Reinforce(neuron=SBN(), baseline=MovingAverage()),
    "nvil": lambda: Reinforce(neuron=SBN(), baseline=NVIL()),
    "relax": lambda: RELAX(neuron=SBN()),
    "schedule": lambda: Schedule(
        neuron=SBN(), first=ST(neuron=SBN()), second=RELAX(neuron=SBN()), after=6, per="step"
    ),
}


class HaltError(Exception):
    """Stands for a kill."""


def halted(run, step):
    """The records of a run up to a step, and its state there as it comes out of a file."""

    def after_step():
        if run.step == step:
            raise HaltError

    records = []
    try:
        for record in run.run(after_step):
            records.append(record)  # noqa: PERF402, for the loop is cut short
    except HaltError:
        return records
    raise AssertionError("the run ended before that step")


def values_of(records):
    return [(record.step, record.epoch, record.scalars) for record in records]


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("step", [1, 4, 13])
def test_a_restored_training_continues_to_the_bit(name, step, tmp_path):
    def fresh():
        model, estimator = MLP(hidden=(6,)), ESTIMATORS[name]()
        return training([3, 7], model, estimator, optimizer=torch.optim.Adam, epochs=2)

    uninterrupted = fresh()
    expected = values_of(uninterrupted.run())
    first = fresh()
    before = values_of(halted(first, step))
    write_checkpoint(tmp_path, HEADER, {"training": first.state_dict()})
    second = fresh()
    second.load_state_dict(read_state(tmp_path / CHECKPOINT, CPU)["training"])
    assert second.step == step
    rest = values_of(second.run())
    assert [place[0] for place in before + rest] == [place[0] for place in expected]
    assert same([list(place) for place in before + rest], [list(place) for place in expected])
    ends = [run.state_dict() for run in (uninterrupted, second)]
    for end in ends:
        del end["seconds"]
    assert same(*ends)


@pytest.mark.parametrize(
    "words",
    [
        ["task=vae", "model=vae", "model.latent=[5,4]"],  # draws its binary images at every use
        ["task=structured_prediction", "task.binarization=dynamic", "model.hidden=[5]"],
        ["task=gan", "model=generator_mlp", "model.hidden=[5]", "task.judge_steps=2"],
        [
            "scheduler=step",
            "scheduler.step_size=2",
            "trainer.schedule_per=step",
            "model.hidden=[5]",
        ],
        [
            *("gradients.every=1e-9", "gradients.draws=4", "gradients.examples=4"),
            *("gradients.estimators=[relax,reinforce_nvil]", "model.hidden=[5,4]"),
            *("gradients.reference=reinforce_nvil", "gradients.reference_draws=4"),
        ],
    ],
)
def test_a_restored_task_schedule_or_instrument_continues_to_the_bit(words, tmp_path):
    words = [*words, "seeds=[3,7]", "trainer.steps=6", "trainer.log_every=1", "trainer.samples=2"]
    if "task=gan" in words:
        words += ["optimizer=adam", "optimizer.lr=1e-3", "task.images=20"]
        words += ["task.critic_steps=1", "task.many_steps=2"]
    uninterrupted = built(words)
    expected = values_of(uninterrupted.run())
    first = built(words)
    before = values_of(halted(first, 3))
    write_checkpoint(tmp_path, HEADER, {"training": first.state_dict()})
    second = built(words)
    second.load_state_dict(read_state(tmp_path / CHECKPOINT, CPU)["training"])
    rest = values_of(second.run())
    assert same([list(place) for place in before + rest], [list(place) for place in expected])


def test_a_header_that_does_not_say_so_is_of_no_step_and_no_end():
    header = Header.model_validate({"config": {}, "data": {}})
    assert (header.step, header.final) == (0, False)


def test_a_diverged_replica_stays_diverged_and_its_weights_do_not_change():
    run = training([3, 7], optimizer=torch.optim.Adam, lr=0.1, epochs=3)
    halted(run, 8)
    run.diverged = [1]
    before = [weight.detach().clone() for weight in run.model.parameters()]
    while run.step < 12:
        run.update(run.current_estimators())
    for old, new in zip(before, run.model.parameters(), strict=True):
        assert torch.equal(old[1], new[1])
        assert not torch.equal(old[0], new[0])


@pytest.mark.parametrize(("word", "steps"), [("continue", 24), ("stop", 4)])
def test_divergence_of_one_replica_ends_the_run_only_if_asked_to(word, steps):
    run = training([3, 7], on_divergence=word, epochs=3)
    with torch.no_grad():
        next(run.model.parameters())[1] = float("nan")
    list(run.run())
    assert run.diverged_steps() == {"7": 0}
    assert run.step == steps


def written(folder, step=3):
    state = {"weights": torch.arange(1000.0), "step": step, "words": [2**64 - 1, "x", None]}
    write_checkpoint(folder, HEADER.model_copy(update={"step": step}), state)
    return state


def test_the_previous_checkpoint_is_kept(tmp_path):
    for step in (1, 2, 3):
        written(tmp_path, step)
    assert read_header(tmp_path / CHECKPOINT).step == 3
    assert read_state(tmp_path / PREVIOUS, CPU)["step"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, PREVIOUS}


def test_a_flipped_byte_or_a_truncation_never_changes_what_is_read(tmp_path):
    state = written(tmp_path)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    places = [*range(0, len(content), 97), *range(len(content) - 60, len(content))]
    damages = [content[:n] + bytes([content[n] ^ 0x41]) + content[n + 1 :] for n in places]
    damages += [content[:n] for n in range(0, len(content), 499)]
    noticed = 0
    for damage in damages:
        path.write_bytes(damage)
        try:
            header, found = read_header(path), read_state(path, CPU)
        except DamagedError:
            noticed += 1
        else:
            # Padding, dates and the like may change; what was stored may not.
            assert header.model_dump() == HEADER.model_dump()
            assert same(found, state)
    assert noticed > len(damages) / 2


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_loading_a_foreign_file_runs_no_code(how, tmp_path, capsys):
    path = tmp_path / CHECKPOINT
    if how == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    else:
        torch.save({"x": Evil()}, path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{path.stem}/header.json", HEADER.model_dump_json())
    with pytest.raises(DamagedError):
        read_state(path, CPU)
    assert capsys.readouterr().out == ""


def test_a_checkpoint_of_another_format_is_refused_with_both_versions(tmp_path):
    write_checkpoint(tmp_path, HEADER.model_copy(update={"format": 0, "bnrun": "0.0.7"}), {})
    with pytest.raises(ValueError, match=r"has format 0 of bnrun 0\.0\.7, .* reads format 2"):
        read_header(tmp_path / CHECKPOINT)
