"""How each job of a sweep ended: every job has one outcome, and the outcomes add up to the jobs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from hydra.core.utils import JobReturn, JobStatus

from bnrun.config.count import number_of
from bnrun.config.errors import ClaimedError, DivergedError
from bnrun.config.sentence import sentence
from bnrun.recording.result import RESULT, read_result
from bnrun.run.claim import is_claimed
from bnrun.run.log import LOG
from bnrun.sweep.halt import HALTED, PRUNED, SKIPPED
from bnrun.sweep.plan import Job
from bnrun.sweep.queue import Killed

Kind = Literal[
    "done",
    "done before",
    "done elsewhere",
    "diverged",
    "diverged before",
    "pruned",
    "failed",
    "at work elsewhere",
    "not started",
    "refused",
]
KINDS: tuple[Kind, ...] = (
    *("done", "done before", "done elsewhere", "diverged", "diverged before", "pruned"),
    *("failed", "at work elsewhere", "not started", "refused"),
)
"""In the order in which they are counted.

"done" and "diverged" mean by this sweep; "before" that the result is older than the sweep;
"elsewhere" that another process wrote it meanwhile. A job has diverged if any of its seeds has.
"""


class Launched(NamedTuple):
    """A job that was handed to the launcher, with what it returned.

    is_new  whether its result is newer than the launch
    """

    job: Job
    answer: JobReturn
    is_new: bool


class Outcome(NamedTuple):
    """How a job ended; `text` says more."""

    job: Job
    kind: Kind
    text: str = ""

    @property
    def has_result(self) -> bool:
        return self.kind.startswith(("done", "diverged"))


def launched_outcome(launched: Launched) -> Outcome:
    """The outcome of a job that was handed to the launcher."""
    job, answer, is_new = launched
    error = answer._return_value
    if error == HALTED:
        return Outcome(job, "not started")
    if error == PRUNED:
        return Outcome(job, "pruned")
    if isinstance(error, ClaimedError):
        if job.done:
            return Outcome(job, "done elsewhere")
        return Outcome(job, "at work elsewhere", sentence(error))
    if answer.status == JobStatus.FAILED and not isinstance(error, DivergedError):
        return _failed(job, sentence(error))
    if job.done and error == SKIPPED:
        return Outcome(job, "done elsewhere")
    if job.done and is_new:
        return _with_seeds(Outcome(job, "done"))
    if not job.folder.exists() or (job.done and answer.status == JobStatus.UNKNOWN):
        return _failed(job, "it was not started")
    try:
        if is_claimed(job.folder):
            return Outcome(job, "at work elsewhere", "it is still running")
    except OSError as reason:
        return _failed(job, sentence(reason))
    state = f"; the queue calls it {error}" * isinstance(error, Killed)
    return _failed(job, f"it ended without a result, as if killed{state}")


def idle_outcome(job: Job) -> Outcome:
    """The outcome of a job that was not handed to the launcher."""
    if job.status == "refused":
        return Outcome(job, "refused", job.reason)
    if job.status == "done" and not job.force:
        return _with_seeds(Outcome(job, "done before"))
    return Outcome(job, "pruned" if job.pruned else "not started")


def outcomes_of(jobs: Sequence[Job], launched: Sequence[Launched]) -> list[Outcome]:
    """How each job ended, launched or not."""
    ended = {one.job.folder: launched_outcome(one) for one in launched}
    return [
        idle_outcome(job) if job.status == "refused" else ended.get(job.folder) or idle_outcome(job)
        for job in jobs
    ]


def counted(outcomes: Iterable[Outcome]) -> str:
    """E.g. 3 done, 1 failed."""
    number = Counter(outcome.kind for outcome in outcomes)
    return ", ".join(f"{number[kind]} {kind}" for kind in KINDS if number[kind])


def _with_seeds(outcome: Outcome) -> Outcome:
    """The outcome of a job with a result, as diverged if any seed has."""
    result = read_result(outcome.job.folder / RESULT)
    if not result["diverged"]:
        return outcome
    kind: Kind = "diverged" if outcome.kind == "done" else "diverged before"
    seeds = ", ".join(map(str, sorted(result["diverged"])))
    count = f"{len(result['diverged'])} of {number_of(len(result['seeds']), 'seed')}"
    return Outcome(outcome.job, kind, f"{count} ({seeds})")


def _failed(job: Job, reason: str) -> Outcome:
    log = job.folder / LOG
    return Outcome(job, "failed", reason + (f" ({log})" * log.exists()))
