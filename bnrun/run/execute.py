"""Executing a run in its claimed folder: build, resume, train, write the result."""

import gc
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bnrun.config.complaint import mistakes
from bnrun.config.errors import UserError
from bnrun.config.frames import passes_own_code
from bnrun.config.run_id import scientific
from bnrun.data.base import Split
from bnrun.measurement.probe import Probe
from bnrun.recording import tags
from bnrun.recording.recorder import MAIN, Recorder, seed_run
from bnrun.recording.result import write_result
from bnrun.recording.tags import ScoreName
from bnrun.recording.tracker import Trackers
from bnrun.recording.view import View
from bnrun.report.read.runs import overridden
from bnrun.run.about import config_text, outcome_text, run_text
from bnrun.run.bar import Bar
from bnrun.run.build import build_trackers, build_training
from bnrun.run.checkpoint import Header
from bnrun.run.context import RunContext
from bnrun.run.identity import DATA_FILES, code_now, data_files
from bnrun.run.keeper import Keeper
from bnrun.run.kinds import build
from bnrun.run.outcome import final_scores, flat, hyperparameters, scores_of, versions
from bnrun.run.progress import Headline, follow
from bnrun.run.receipt import receipt
from bnrun.run.resume import Point, lost_events, remove_earlier, starting_point
from bnrun.run.signals import postponed
from bnrun.run.source import commit, keep_changes, own_code
from bnrun.training.loop import Training


def execute(context: RunContext, bar: Bar) -> None:
    """Train from step 0 or from a checkpoint, and write result.json.

    bar  shows progress in a terminal

    Raises Stopped after a signal, once a checkpoint is written; UserError if the disk cannot be
    written or if the config has a mistake. Any other exception is a bug.
    """
    gc.enable()  # __main__ disables it
    with mistakes(), chdir(context.start):
        named = build_trackers(context.settings.recorder.also)
    trackers = Trackers(named, context.log.info)
    try:
        with mistakes():  # After this, only a UserError is one.
            begun = _begin(context, trackers)
        with _disk_faults(context.folder):
            # Before training, because the files of the code may change during a long run.
            code = _code(context, begun.data_files)
            scores = _train(context, begun, bar)
            write_result(context.folder, _result(context, begun.training, scores, code))
    finally:
        trackers.finish()  # by now it has, unless something failed between its start and step 1


@dataclass(frozen=True)
class _Begun:
    """A run that is ready for its next step.

    point       where it resumes; None at step 0
    lost        TensorBoard runs whose files are written again
    data_files  None if they changed while the data were read
    """

    training: Training
    header: Header
    point: Point | None
    lost: list[str]
    data_files: dict[str, Any] | None
    view: View
    recorder: Recorder

    @property
    def needs_texts(self) -> bool:
        """Whether TensorBoard lacks the texts of the run."""
        return self.point is None or MAIN in self.lost


def _begin(context: RunContext, trackers: Trackers) -> _Begun:
    folder, settings = context.folder, context.settings
    with chdir(context.start):
        before = data_files(build(context.config, "dataset"), context.start)
        training = build_training(context.config, settings)
        after = data_files(build(context.config, "dataset"), context.start)
    training.rehearse()
    header = Header(
        config=flat(scientific(context.config)),
        data=training.data.hashes,
        code=code_now(context.config),
    )
    point = starting_point(context, header, training)
    lost = [] if point is None else _lost_events(context, point)
    if point is None:
        remove_earlier(folder)
    step = None if point is None else point.header.step
    seeds, per_seed = settings.seed_list, settings.recorder.per_seed
    view = view_of(training)
    trackers.start(folder.parent.name, folder.name, context.config)
    recorder = Recorder(folder, seeds, per_seed, step, lost, view, trackers)
    files = after if before == after else None
    return _Begun(training, header, point, lost, files, view, recorder)


def _train(context: RunContext, begun: _Begun, bar: Bar) -> dict[str, Any]:
    """The final scores."""
    training, recorder, point = begun.training, begun.recorder, begun.point
    with recorder, postponed() as signals:
        keeper = Keeper(context, training, recorder, signals, begun.header)
        if point is not None:
            keeper.scalars |= point.state["scalars"]
        if begun.needs_texts:
            recorder.text(tags.ABOUT, run_text(context.config, context.settings.seed_list))
            text = yaml.safe_dump(context.config, sort_keys=False)
            recorder.text(tags.CONFIG, config_text(text))
        headline = Headline(training.task.goal, way_of(training))
        records = training.run(keeper.after_step)
        for record in follow(records, training.total, context, headline, bar):
            keeper.record(record)
        scores = scores_of(keeper.scalars)
        recorder.track_scores(final_scores(scores, begun.view.goal))
        if begun.needs_texts or (point is not None and not point.header.final):
            shown = hyperparameters(context.config, overridden(context.folder))
            recorder.hparams(shown, final_scores(scores, begun.view.goal))
            recorder.text(tags.OUTCOME, outcome_text(scores, training.diverged_steps()))
            keeper.write()
    return scores


def _code(context: RunContext, files: dict[str, Any] | None) -> dict[str, Any]:
    """What result.json says about the code and the data's files; keeps changes of the code."""
    kept = {"own_code": own_code(context.config), DATA_FILES: files}
    code = {"commit": commit(), "receipt": receipt() | kept}
    keep_changes(context.folder)
    return code


@contextmanager
def _disk_faults(folder: Path) -> Iterator[None]:
    """While the block runs, a disk that cannot be written is a mistake."""
    try:
        yield
    except OSError as error:
        if passes_own_code(error):
            raise
        raise UserError(
            f"{folder}: {error.strerror or error}; once that is fixed, run the same command again "
            f"to resume from the last checkpoint"
        ) from error


def _lost_events(context: RunContext, point: Point) -> list[str]:
    """TensorBoard runs to be written again; says so."""
    settings = context.settings
    seeds = [seed_run(seed) for seed in settings.seed_list if settings.recorder.per_seed]
    lost = lost_events(context.folder, point.header, [MAIN, *seeds])
    if lost:
        names = ", ".join(name or "the run" for name in lost)
        context.log.info(
            f"TensorBoard's files of {names} are missing or altered: curves up to step "
            f"{point.header.step} are written again from metrics.csv, without histograms and images"
        )
    return lost


def way_of(training: Training) -> str:
    """The neuron's own way of evaluating; that of the last binary layer, if they differ."""
    return training.current_estimators()[-1].evaluation_neuron.mode


def view_of(training: Training) -> View:
    """TensorBoard's view: the goal in its way, and no mean field of a net that has only bits."""
    goal, way = training.task.goal, way_of(training)
    name = ScoreName("validation", goal["score"], goal["way"] or way)
    neurons = [estimator.evaluation_neuron for estimator in training.current_estimators()]
    deterministic = all(neuron.mode == "thresholded" for neuron in neurons)
    return View(name, ("mean_field",) if deterministic else ())


def _result(
    context: RunContext, training: Training, scores: dict[str, Any], code: dict[str, Any]
) -> dict[str, Any]:
    return {
        "seeds": context.settings.seed_list,
        "scores": scores,
        "goal": training.task.goal,
        "way": way_of(training),
        "evaluations": _evaluations(training),
        "diverged": training.diverged_steps(),
        "steps": training.step,
        "seconds": round(training.seconds, 3),
        "config": context.config,
        "versions": versions(),
        **code,
        "data": training.data.hashes,
    }


def _evaluations(training: Training) -> int:
    """Evaluations of the loss that one update takes per example."""
    example = Split(*(part[:1] for part in training.data.train))
    probe = Probe(training.model, training.task, example, training.seeds, memory=0)
    return probe.cost(training.current_estimators()).evaluations
