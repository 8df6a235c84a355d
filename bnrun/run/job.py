"""One run from its config to its result: the training meets the recorder and the screen."""

import gc
import shutil
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from bnrun.config.errors import MISTAKES, DivergedError, UserError, lacks_memory, sentence
from bnrun.config.run_id import NAMED, scientific
from bnrun.config.settings import Settings
from bnrun.recording.result import RESULT, Result, read_result, write_result
from bnrun.run.log import Log
from bnrun.run.outcome import commit, flat, hyperparameters, means_of, scores_of, versions
from bnrun.run.receipt import keep_changes, own_code, receipt

if TYPE_CHECKING:
    from bnrun.run.checkpoint import Header
    from bnrun.run.resume import Point
    from bnrun.training.loop import Training


def run_job(config: DictConfig, choices: dict[str, Any], folder: Path, shown: bool = True) -> None:
    """Train what the config says in `folder`, from where an earlier run stopped.

    `shown` is whether its progress and its scores are shown as well as kept.

    Raises UserError: for a config that cannot be run, with the folder as it was before; for a
    disk that cannot be written; for a run whose replicas diverged, after its result.
    """
    log = Log(folder, shown)
    container = _plain(config)
    try:
        settings = Settings.model_validate(container)
        if settings.device == "cuda":
            _require_cuda()
        if not _done_before(folder, settings, log):
            from bnrun.run.claim import claimed

            with claimed(folder):
                # Another process may have done it until we had the claim.
                if not _done_before(folder, settings, log):
                    _run(config, container | {"choices": choices}, settings, folder, log)
        result = read_result(folder / RESULT)
    except MISTAKES as error:
        forget(folder)
        raise UserError(sentence(error)) from error
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            log.keep(traceback.format_exc())
            raise
        forget(folder)
        raise UserError(sentence(error)) from error
    except Exception:
        log.keep(traceback.format_exc())
        raise
    if shown:
        _show(folder, result)
    _refuse_diverged(result)


def _done_before(folder: Path, settings: Settings, log: Log) -> bool:
    if settings.resume == "force" or not (folder / RESULT).exists():
        return False
    read_result(folder / RESULT)
    log.console.print(f"done before: {folder} (resume=force does it again)", soft_wrap=True)
    return True


def _require_cuda() -> None:
    from bnrun.run.build import choose_device

    choose_device("cuda")


def _run(
    config: DictConfig, container: dict[str, Any], settings: Settings, folder: Path, log: Log
) -> None:
    # Here, so that a mistake in the settings is said before torch is loaded.
    from bnrun.recording.recorder import Recorder
    from bnrun.run.build import build_training
    from bnrun.run.checkpoint import Header
    from bnrun.run.resume import begin_anew

    gc.enable()
    training = build_training(config, settings)
    training.rehearse()
    header = Header(config=flat(scientific(config)), data=training.data.hashes)
    point = _starting_point(training, header, settings, folder, log)
    if point is None:
        begin_anew(folder)
    else:
        _restore(training, point, folder)
    step = None if point is None else point.header.step
    recorder = Recorder(
        folder, settings.seed_list, per_seed=settings.recorder.per_seed, resume_step=step
    )
    try:
        _train(training, recorder, point, header, settings, container, folder, log)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{folder}: {reason}; once that is mended, the same command goes on from the last "
            f"checkpoint"
        ) from error


def _restore(training: "Training", point: "Point", folder: Path) -> None:
    try:
        training.load_state_dict(point.state["training"])
    except (AssertionError, AttributeError, LookupError, RuntimeError) as error:
        # An estimator or a model of one's own that has changed: no version tells of it.
        reason = str(error).strip().splitlines()
        raise UserError(
            f"{folder}: its checkpoint of step {point.header.step} does not fit the code as it is "
            f"now ({reason[0] if reason else type(error).__name__}); resume=never begins the run "
            f"anew"
        ) from error


def _starting_point(
    training: "Training", header: "Header", settings: Settings, folder: Path, log: Log
) -> "Point | None":
    from bnrun.run.resume import copy_history, own_point, point_of_shorter_run

    if settings.resume != "auto":
        return None
    device = training.device
    point = own_point(folder, header, device, log.say)
    if point is not None:
        log.say(f"going on from step {point.header.step}")
        return point
    shorter = point_of_shorter_run(folder, header, training.total, device)
    if shorter is None:
        return None
    source, point = shorter
    copy_history(source, folder)
    log.say(f"going on from step {point.header.step} of {source.name}, which stays as it is")
    return point


def _train(
    training: "Training",
    recorder: Any,
    point: "Point | None",
    header: "Header",
    settings: Settings,
    config: dict[str, Any],
    folder: Path,
    log: Log,
) -> None:
    from bnrun.run.about import about, outcome
    from bnrun.run.keeper import Keeper
    from bnrun.run.progress import follow
    from bnrun.run.signals import Postponed

    title = "/".join(str(config["choices"][group]) for group in NAMED)
    # Now, for at the end of a long run the folder may hold other code than what ran.
    code = {"commit": commit(), "receipt": receipt() | {"own_code": own_code(config)}}
    keep_changes(folder)
    with recorder, Postponed() as signals:
        keeper = Keeper(folder, training, recorder, settings.checkpoint, signals, header, log)
        if point is None:
            recorder.text("run/about", about(config, settings.seed_list))
            recorder.text(
                "run/config", f"```yaml\n{OmegaConf.to_yaml(OmegaConf.create(config))}\n```"
            )
        else:
            keeper.scalars |= point.state["scalars"]
        records = training.run(keeper.after_step)
        for record in follow(records, training.total, title, log.console):
            recorder.write(record)
            keeper.scalars |= {tag: values.tolist() for tag, values in record.scalars.items()}
        scores = scores_of(keeper.scalars)
        if point is None or not point.header.final:
            recorder.hparams(hyperparameters(config), means_of(scores))
            recorder.text("run/outcome", outcome(scores, training.diverged_steps()))
            keeper.write()
    write_result(
        folder,
        {
            "seeds": settings.seed_list,
            "scores": scores,
            "goal": training.task.goal,
            "evaluations": _evaluations(training),
            "diverged": training.diverged_steps(),
            "steps": training.step,
            "seconds": round(training.seconds, 3),
            "config": config,
            "versions": versions(),
            **code,
            "data": training.data.hashes,
        },
    )


def _evaluations(training: "Training") -> int:
    """Passes of the loss through the last layers that an update takes for each example."""
    from bnrun.data.base import Split
    from bnrun.measurement.probe import Probe

    example = Split(*(part[:1] for part in training.data.train))
    probe = Probe(training.model, training.task, example, training.seeds, memory=0)
    return probe.cost(training.current_estimators()).evaluations


def _show(folder: Path, result: Result) -> None:
    from rich.console import Console

    from bnrun.report.render.scores_table import scores_table

    console = Console()
    console.print(scores_table(result))
    for seed, step in result["diverged"].items():
        console.print(f"seed {seed} diverged at step {step}")
    console.print(f"folder: {folder}", soft_wrap=True)
    console.print(f"curves: tensorboard --logdir {folder.parent}", soft_wrap=True)


def _refuse_diverged(result: Result) -> None:
    """Raises DivergedError if divergence has ended the run."""
    lost, seeds = len(result["diverged"]), len(result["seeds"])
    stops = result["config"]["trainer"]["on_divergence"] == "stop"
    if lost and (lost == seeds or stops):
        count = "every seed" if lost == seeds else f"{lost} of {seeds} seeds"
        raise DivergedError(
            f"{count} diverged, so the run ended at step {result['steps']}: try a "
            f"smaller optimizer.lr or trainer.clip_norm"
        )


def _plain(config: DictConfig) -> dict[str, Any]:
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def forget(folder: Path) -> None:
    """Remove a folder in which no run has begun, and the study if it is empty."""
    from bnrun.run.claim import held

    if folder.is_dir() and {item.name for item in folder.iterdir()} <= {".hydra", ".lock"}:
        if (folder / ".lock").exists() and held(folder):
            return  # Another process is about to begin there.
        shutil.rmtree(folder)
        for parent in list(folder.parents)[:2]:
            if any(parent.iterdir()):
                break
            parent.rmdir()
