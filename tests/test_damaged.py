"""A killed run whose files are damaged ends like an uninterrupted one, or is refused in words."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from runs import assert_equal_runs, bnrun, crashed, points

from bnrun.config.errors import UserError
from bnrun.recording.metrics import METRICS

RUN = ["model.hidden=[4]", "trainer.log_every=1", "trainer.evaluate_every=0.2", "seeds=[3,7]"]
RUN += ["trainer.steps=18", "checkpoint.every_steps=5", "recorder.per_seed=true"]
EVENTS = "events.out.tfevents.0000000000.bnrun"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return bnrun(tmp_path_factory.mktemp("whole"), *RUN)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The study of a run that was killed after step 12, with checkpoints of steps 5 and 10."""
    study = tmp_path_factory.mktemp("killed")
    run = crashed(study, 12, *RUN)
    (run / "run.log").write_text("a line\n")
    return study


@pytest.fixture
def study(killed, tmp_path):
    return shutil.copytree(killed, tmp_path / "study")


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path):
    content = bytearray(path.read_bytes() or b"x")
    content[len(content) // 2] ^= 0x01
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


def removed(path):
    path.unlink()


def made_a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("theirs")


def made_a_link(path):
    target = path.parents[2] / "theirs"
    path.rename(target)
    path.symlink_to(target)


def made_a_dangling_link(path):
    path.unlink()
    path.symlink_to(path.parents[2] / "nowhere")


def made_json(path):
    path.write_text(json.dumps({"scores": [1, None, {"x": "\x1b"}]}))


def made_a_list(path):
    path.write_text("[]\n")


DAMAGES = [truncated, flipped, emptied, removed, made_a_folder, made_a_link]
DAMAGES += [made_a_dangling_link, made_json, made_a_list]
FILES = ["checkpoint.pt", "checkpoint.previous.pt", "metrics.csv", "times.csv", "run.log"]
FILES += [EVENTS, f"seed=3/{EVENTS}", ".lock", ".lock.holder", "result.json"]


def refused(study):
    """The sentence with which the same command is refused; None if it ends."""
    try:
        bnrun(study, *RUN)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_ends_alike_or_is_refused_in_a_sentence(name, damage, whole, study):
    (run,) = study.iterdir()
    path = run / name
    if not path.exists():
        path.write_text("{}")
    damage(path)
    theirs = study / "theirs"
    before = theirs.read_bytes() if theirs.exists() else None
    refusal = refused(study)
    if refusal is not None:
        assert len(refusal.splitlines()) == 1
        assert name.rpartition("/")[2] in refusal or "checkpoint" in refusal
    else:
        assert_equal_runs(whole, run)
        for seed in ("seed=3", "seed=7"):
            assert points(run / seed) == points(whole / seed)
    assert (theirs.read_bytes() if theirs.exists() else None) == before
    assert not (study / "nowhere").exists()


@pytest.mark.parametrize("name", [METRICS, "times.csv", EVENTS, f"seed=7/{EVENTS}"])
def test_one_byte_of_the_history_is_noticed(name, whole, study, capfd):
    (run,) = study.iterdir()
    flipped(run / name)
    refusal = refused(study)
    said = capfd.readouterr().err + (refusal or "")
    if name == METRICS:  # The byte is before both checkpoints.
        assert refusal is not None
    else:
        assert_equal_runs(whole, run)
    assert "has been altered since" in said or "are missing or altered" in said


def test_curves_are_written_again_with_texts_and_charts(whole, study, capfd):
    (run,) = study.iterdir()
    (run / EVENTS).unlink()
    bnrun(study, *RUN)
    assert "TensorBoard's files of the run are missing or altered" in capfd.readouterr().err
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = []
    for folder in (run, whole):
        events = EventAccumulator(str(folder))
        events.Reload()
        tags.append(events.Tags())
    assert set(tags[0]["scalars"]) == set(tags[1]["scalars"])
    assert set(tags[0]["tensors"]) == set(tags[1]["tensors"])


def test_curves_per_seed_that_are_asked_for_later_begin_at_step_0(whole, killed, tmp_path):
    words = [word for word in RUN if word != "recorder.per_seed=true"]
    study = shutil.copytree(killed, tmp_path / "study")
    (run,) = study.iterdir()
    for seed in ("seed=3", "seed=7"):
        shutil.rmtree(run / seed)
    bnrun(study, *words, "recorder.per_seed=true")
    assert points(run / "seed=3") == points(whole / "seed=3")


def rewritten(path, change):
    """Change the header or the state of a checkpoint, whose checksums are then right."""
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("archive/header.json"))
    state = torch.load(path, weights_only=True)
    header, state = change(header, state)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/header.json", json.dumps(header))
    path.write_bytes(buffer.getvalue())


def without(node, *keys):
    *parents, last = keys
    inner = node
    for key in parents:
        inner = inner[key]
    del inner[last]
    return node


CHANGES = {
    "a list for a header": lambda header, state: ([header], state),
    "a number for a header": lambda header, state: (3, state),
    "a header without a config": lambda header, state: (without(header, "config"), state),
    "a history of another shape": lambda header, state: (header | {"history": [1]}, state),
    "a file of another shape": lambda h, s: (h | {"history": h["history"] | {METRICS: "x"}}, s),
    "a list for a state": lambda header, state: (header, [state]),
    "no training": lambda header, state: (header, without(state, "training")),
    "no scalars": lambda header, state: (header, without(state, "scalars")),
    "scalars of another shape": lambda header, state: (header, state | {"scalars": [1]}),
    **{
        f"no {part}": lambda header, state, part=part: (header, without(state, "training", part))
        for part in ("step", "parts", "seconds")
    },
    **{
        f"no part {part}": lambda h, s, part=part: (h, without(s, "training", "parts", part))
        for part in ("model", "optimizer", "noise", "tally", "layer1", "task")
    },
    "a number for a part": lambda header, state: (
        header,
        state | {"training": state["training"] | {"parts": 3}},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_that_lacks_something_gives_way_to_the_previous_one(name, whole, study, capfd):
    (run,) = study.iterdir()
    rewritten(run / "checkpoint.pt", CHANGES[name])
    bnrun(study, *RUN)
    assert "using checkpoint.previous.pt of step 5 instead" in capfd.readouterr().err
    assert_equal_runs(whole, run)


@pytest.mark.parametrize(
    "name", ["events.out.tfevents.odd", "events.out.tfevents.12.host.1", "events.out.tfevents."]
)
def test_a_foreign_event_file_blocks_nothing_and_stays(name, whole, study):
    (run,) = study.iterdir()
    (run / name).write_bytes(b"theirs")
    bnrun(study, *RUN)
    assert (run / name).read_bytes() == b"theirs"
    (run / name).unlink()
    assert_equal_runs(whole, run)


@pytest.mark.parametrize("name", [".hydra", ".hydra/config.yaml"])
def test_hydra_does_not_write_through_a_link(name, command, tmp_path):
    words = ["trainer.steps=2", "seeds=1", "model.hidden=[4]", "hydra.run.dir=run"]
    theirs = tmp_path / "theirs"
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    if name == ".hydra":
        theirs.mkdir()
        (theirs / "config.yaml").write_text("theirs")
    else:
        theirs.write_text("theirs")
    link.symlink_to(theirs)
    status, _, err = command(*words)
    assert status == 1
    assert f"{link}: is a link" in err.replace("\n", "")
    content = theirs / "config.yaml" if name == ".hydra" else theirs
    assert content.read_text() == "theirs"
    assert Path(link).is_symlink()
