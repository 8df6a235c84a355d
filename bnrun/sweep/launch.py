"""Handing jobs to Hydra's launcher, and once more those that it has lost."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from bnrun.config.errors import sentence
from bnrun.recording.files import mark
from bnrun.run.claim import HOLDER, held
from bnrun.sweep.plan import Job

PATIENCE = 2
"""How often a pool may break over a job before that job goes on alone, or over none."""


def launch(
    launcher: Launcher, jobs: Sequence[Job], first: int, say: Callable[[str], None]
) -> list[JobReturn]:
    """What became of each job, as far as the launcher could tell.

    A pool that loses a worker, killed for want of memory say, takes its other workers down and
    tells nothing of its jobs. Those that are not done are launched again. One that was at work at
    two such moments comes last and alone, so that the one that kills its worker is known for it.

    first  number of the first job in the sweep
    """
    answers: dict[Path, JobReturn] = {}
    lost: Counter[Path] = Counter()
    idle = 0
    waiting = list(jobs)
    while waiting:
        batch = [job for job in waiting if lost[job.folder] < PATIENCE] or waiting[:1]
        before = {job.folder: mark(job.folder / HOLDER) for job in batch}
        try:
            returns = launcher.launch([job.overrides for job in batch], first)
        except BrokenProcessPool:
            _wait_until_free(batch)
            at_work = [job.folder for job in batch if _was_begun(job, before[job.folder])]
            names = ", ".join(folder.name for folder in at_work) or "no job"
            say(f"a worker was killed while at work were: {names}; going on with what is not done")
            alone = lost[batch[0].folder] == PATIENCE
            lost.update(at_work)
            idle += not at_work
            if alone:
                answers[batch[0].folder] = _killed()
            over = [job for job in batch if idle == PATIENCE or job.done]
            answers |= {job.folder: JobReturn() for job in over}
        except Exception as error:
            say(f"the launcher gave up: {sentence(error)}")
            answers |= {job.folder: JobReturn() for job in batch}
        else:
            # A whole config hangs on each, which would fill the memory in a long sweep.
            told = [JobReturn(status=r.status, _return_value=r._return_value) for r in returns]
            answers |= {job.folder: answer for job, answer in zip(batch, told, strict=True)}
        waiting = [job for job in waiting if job.folder not in answers]
    return [answers[job.folder] for job in jobs]


def _was_begun(job: Job, before: tuple[int, int] | None) -> bool:
    """Whether it was begun, and did not come to its end."""
    return mark(job.folder / HOLDER) not in (None, before) and not job.done


def _killed() -> JobReturn:
    reason = RuntimeError("its worker was killed whenever it ran, also alone: is memory short?")
    return JobReturn(status=JobStatus.FAILED, _return_value=reason)


def _wait_until_free(jobs: Sequence[Job], seconds: float = 60.0) -> None:
    """Until the processes that the pool takes down are gone."""
    end = time.monotonic() + seconds
    while any(held(job.folder) for job in jobs) and time.monotonic() < end:
        time.sleep(0.1)
