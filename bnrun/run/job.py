"""One run: skipped if it is done, else executed; then its scores are printed."""

import shlex
import traceback
from pathlib import Path
from typing import Any

from bnrun.config.complaint import mistakes
from bnrun.config.errors import DivergedError, UserError, is_out_of_memory
from bnrun.config.plain import plain
from bnrun.config.sentence import sentence
from bnrun.config.settings import Settings
from bnrun.recording.result import RESULT, Result, read_result
from bnrun.run.context import RunContext
from bnrun.run.folder import check_own
from bnrun.run.identity import changes_of_code, code_of, conflict
from bnrun.run.limits import Pruned
from bnrun.run.log import Log

WITHOUT_SMOOTHING = "        then open http://localhost:6006/?smoothing=0#timeseries"
"""The line below that of TensorBoard, whose page smooths curves unless the address says so."""


def run_job(
    config: dict[str, Any], folder: Path, start: Path | None = None, shown: bool = True
) -> bool:
    """Train as the config says in `folder`, resuming from a checkpoint there if there is one.

    config  resolved, with its choices
    start   the folder where relative paths begin; None for the working folder
    shown   whether to print progress and scores

    Returns whether it trained; False if it was done before.

    Raises UserError if the config cannot be run, if the disk cannot be written, or, after writing
    the result, if divergence ended the run; Pruned if its limits did. Any other exception is a bug;
    run.log has it.
    """
    log = Log(folder, shown)
    try:
        with mistakes():
            check_own(folder)
            context = RunContext(
                config, Settings.model_validate(config), folder, log, start or Path.cwd()
            )
            done = _is_done(context)
        trained = not done and _execute_claimed(context)
        with mistakes():
            result = read_result(folder / RESULT)
    except (UserError, Pruned):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise UserError(sentence(error)) from error
        log.write(traceback.format_exc())
        raise
    if shown:
        _print_scores(folder, result)
    _check_divergence(result)
    return trained


def _is_done(context: RunContext) -> bool:
    """Whether the run has a result and is not to be rerun.

    Raises UserError if the result is of another config or of other data.
    """
    folder, log = context.folder, context.log
    if context.settings.resume == "force" or not (folder / RESULT).exists():
        return False
    result = read_result(folder / RESULT)
    if reason := conflict(context.config, result, context.start, {}, log.info):
        raise UserError(f"{folder}: {reason}")
    log.print(f"skipped, because it is done: {folder} (resume=force reruns it)")
    if changes := changes_of_code(code_of(result)):
        log.info(f"its result was computed by other code: {', '.join(changes)}")
    return True


def _execute_claimed(context: RunContext) -> bool:
    """Execute the run; returns False if another process has just ended it."""
    # Imported here, because a mistake in the settings need not wait for rich.
    from bnrun.run.bar import Bar
    from bnrun.run.claim import claimed

    with claimed(context.folder):
        # Another process may have ended just before this one claimed the folder.
        if _is_done(context):
            return False
        with Bar(context.log.console) as bar:
            from bnrun.run.execute import execute  # torch, which takes 1 to 2 s

            execute(context, bar)
        return True


def _print_scores(folder: Path, result: Result) -> None:
    # Imported here, because a config error need not wait 15 ms for rich and the report.
    from bnrun.report.render.scores_table import scores_table
    from bnrun.run.screen import screen

    console = screen()
    console.print(scores_table(result))
    for seed, step in result["diverged"].items():
        console.print(f"seed {seed} diverged at step {step}")
    console.print(plain(f"folder: {folder}"), soft_wrap=True)
    study = shlex.quote(str(folder.parent))
    console.print(plain(f"curves: tensorboard --logdir {study}"), soft_wrap=True)
    console.print(WITHOUT_SMOOTHING, soft_wrap=True)


def _check_divergence(result: Result) -> None:
    """Raises DivergedError if divergence ended the run."""
    diverged, seeds = len(result["diverged"]), len(result["seeds"])
    stops = result["config"]["trainer"]["on_divergence"] == "stop"
    if diverged and (diverged == seeds or stops):
        count = "every seed" if diverged == seeds else f"{diverged} of {seeds} seeds"
        raise DivergedError(
            f"{count} diverged, so the run ended at step {result['steps']}: try a smaller "
            f"optimizer.lr or trainer.clip_norm"
        )
