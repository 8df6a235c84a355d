"""What TensorBoard shows of a run: few curves, the goal first, and a page that names them all."""

import re
from pathlib import Path

import pytest
from configured import built
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnrun.recording.recorder import Recorder
from bnrun.recording.tags import Measured, ScoreName, band
from bnrun.run.execute import view_of
from bnrun.run.outcome import final_scores, scores_of

PAGE = Path(__file__).parents[1] / "docs" / "curves.md"
SHORT = ["seeds=[3,7]", "trainer.steps=2", "trainer.batch_size=5", "trainer.log_every=1"]
SHORT += ["trainer.evaluate_examples=5", "trainer.final_examples=5"]
TASKS = {
    "classification": ["model.hidden=[5,4]"],
    "schedule": ["estimator=schedule", "model.hidden=[4]"],
    "slopes": ["trainer.evaluate_slopes=[2]", "model.hidden=[4]"],
    "gated": ["task=gated", "model=gated"],
    "vae": ["task=vae", "model=vae", "model.latent=[4]"],
    "autoencoder": ["task=autoencoder", "model.hidden=[4]", "task.error=absolute"],
    "bernoulli": ["task=autoencoder", "model.hidden=[4]", "task.error=bernoulli"],
    "structured": ["task=structured_prediction", "model.hidden=[4]"],
    "toy": ["task=toy", "model=bits", "dataset=blank"],
    "logic": ["model=logic", "model.gates=20", "neuron=real", "estimator=backprop"],
    "gan": ["task=gan", "model=generator_mlp", "model.hidden=[4]"],
    "measured": ["model.hidden=[4]", "gradients.every=1", "gradients.estimators=[st,disarm]",
                 "gradients.averages=[2]", "gradients.examples=2", "gradients.draws=4"],
}  # fmt: skip


def recorded(words: list[str], folder: Path) -> tuple[list[str], dict[str, object]]:
    """Tags of all curves that TensorBoard has, and all values by tag."""
    training = built([*SHORT, *words])
    view, scalars = view_of(training), {}
    with Recorder(folder, training.seeds, view=view) as recorder:
        for record in training.run():
            recorder.write(record)
            scalars |= {tag: values.tolist() for tag, values in record.scalars.items()}
        recorder.hparams({}, final_scores(scores_of(scalars), view.goal))
    events = EventAccumulator(str(folder))
    events.Reload()
    return events.Tags()["scalars"], scalars


def test_the_default_run_has_at_most_60_curves_and_the_goal_is_the_first(tmp_path: Path) -> None:
    tags, _ = recorded(["trainer.steps=3"], tmp_path)
    assert len(tags) <= 60
    assert "_goal/curve: validation accuracy sampled" in tags
    # As TensorBoard sorts them: by the parts between underscores and slashes.
    ordered = sorted(tags, key=lambda tag: re.split("[_/]", tag))
    assert [tag.partition("/")[0] for tag in ordered[:2]] == ["_goal", "_goal"]
    first_edge = next(n for n, tag in enumerate(ordered) if tag.startswith("zz_band/"))
    assert all(tag.startswith("zz_band/") for tag in ordered[first_edge:])


def test_a_net_of_bits_shows_no_mean_field(tmp_path: Path) -> None:
    (tmp_path / "dbn").mkdir()
    (tmp_path / "sbn").mkdir()
    tags, scalars = recorded(["neuron=dbn"], tmp_path / "dbn")
    assert not any("mean_field" in tag for tag in tags if not tag.startswith("score/"))
    assert "accuracy/test/mean_field" in scalars
    tags, _ = recorded(["neuron=sbn"], tmp_path / "sbn")
    assert "accuracy/test/mean_field" in tags


def patterns() -> list[re.Pattern[str]]:
    """What the tags on the page look like; names in <> stand for anything."""
    names = {name for name in re.findall("`([^`\\n]+)`", PAGE.read_text()) if "/" in name}
    return [re.compile(re.sub("<.+?>", "[^/]+", re.escape(name))) for name in names]


@pytest.mark.parametrize("task", TASKS)
def test_every_curve_of_a_run_is_on_the_page_about_curves(task: str, tmp_path: Path) -> None:
    tags, scalars = recorded(TASKS[task], tmp_path)
    edges = band("")
    curves = {*tags, *scalars} - {edge + tag for edge in edges for tag in tags}
    known = patterns()
    assert not [tag for tag in curves if not any(pattern.fullmatch(tag) for pattern in known)]
    measured = {name.statistic for name in map(Measured.parse, scalars) if name is not None}
    page = PAGE.read_text()
    assert not [name for name in measured if f"`{re.sub('_2$', '_<M>', name)}`" not in page]


def test_every_score_of_a_task_is_on_the_page(tmp_path: Path) -> None:
    page = PAGE.read_text()
    for task, words in TASKS.items():
        (tmp_path / task).mkdir()
        _, scalars = recorded(words, tmp_path / task)
        names = [name for name in map(ScoreName.parse, scalars) if name is not None]
        assert names
        for name in names:
            assert f"`{name.score}`" in page, (task, name)
