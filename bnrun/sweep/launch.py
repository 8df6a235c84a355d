"""Handing jobs to Hydra's launcher, again if a killed worker has taken them with it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from bnrun.config.sentence import sentence
from bnrun.recording.files import mark
from bnrun.recording.result import RESULT
from bnrun.run.claim import HOLDER, is_claimed
from bnrun.sweep.outcome import Launched
from bnrun.sweep.plan import Job
from bnrun.sweep.queue import answering

PATIENCE = 2
"""How often a pool may break while a job is running before that job is launched alone."""


@contextmanager
def workers_of(launcher: Launcher) -> Iterator[None]:
    """End the launcher's worker processes with the block.

    Joblib keeps them for minutes, in the folder and with the environment in which they were
    started; the next sweep of this process would run its jobs there.
    """
    yield
    if "joblib" in type(launcher).__module__:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor(reuse=True).shutdown(wait=True)


def launch(
    launcher: Launcher, jobs: Sequence[Job], first: int, log: Callable[[str], None]
) -> list[Launched]:
    """What each job returned, as far as the launcher could tell, and whether its result is new.

    A pool that loses a worker, for instance because memory ran out, stops its other workers and
    returns nothing. Its unfinished jobs are launched again. A job that was running twice when the
    pool broke is launched last and alone, so that the one that kills its worker is identified.

    first  number of the first job in the sweep
    """
    returns: dict[Path, JobReturn] = {}
    # With resume=force a job may have a result of an earlier sweep, which does not count.
    results_before = {job.folder: mark(job.folder / RESULT) for job in jobs}

    def is_done(job: Job) -> bool:
        return job.done and mark(job.folder / RESULT) != results_before[job.folder]

    breaks: Counter[Path] = Counter()
    idle_breaks = 0
    waiting = list(jobs)
    while waiting:
        batch = [job for job in waiting if breaks[job.folder] < PATIENCE] or waiting[:1]
        before = {job.folder: mark(job.folder / HOLDER) for job in batch}
        try:
            with answering(launcher):
                results = launcher.launch([job.overrides for job in batch], first)
        except BrokenProcessPool:
            _wait_until_free(batch)
            started = [
                job for job in batch if mark(job.folder / HOLDER) not in (None, before[job.folder])
            ]
            running = [job.folder for job in started if not is_done(job)]
            names = ", ".join(folder.name for folder in running) or "no job"
            log(f"a worker was killed while these were running: {names}; launching what is left")
            alone = breaks[batch[0].folder] == PATIENCE
            breaks.update(running)
            idle_breaks += not running
            if alone:
                returns[batch[0].folder] = _killed()
            ended = [job for job in batch if idle_breaks == PATIENCE or is_done(job)]
            returns |= {job.folder: JobReturn() for job in ended}
        except Exception as error:
            log(f"the launcher failed: {sentence(error)}")
            returns |= {job.folder: JobReturn() for job in batch}
        else:
            # Without the whole config that hangs on each, which would fill memory in a long sweep.
            slim = [JobReturn(status=r.status, _return_value=r._return_value) for r in results]
            returns |= {job.folder: r for job, r in zip(batch, slim, strict=True)}
        waiting = [job for job in waiting if job.folder not in returns]
    return [Launched(job, returns[job.folder], is_done(job)) for job in jobs]


def _killed() -> JobReturn:
    reason = RuntimeError(
        "its worker was killed every time it ran, even alone; perhaps memory ran out"
    )
    return JobReturn(status=JobStatus.FAILED, _return_value=reason)


def _wait_until_free(jobs: Sequence[Job], seconds: float = 60.0) -> None:
    """Wait for the workers that the pool is stopping."""
    end = time.monotonic() + seconds
    while any(is_claimed(job.folder) for job in jobs) and time.monotonic() < end:
        time.sleep(0.1)
