"""Jobs of a cluster's queue that end without an answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from bnrun.config.errors import UserError


@contextmanager
def answering(launcher: Launcher) -> Iterator[None]:
    """While the block runs, a job of submitit that was killed answers with its state in the queue.

    Submitit's launcher would raise an exception for it, and no longer wait for the jobs behind it.
    """
    if "submitit" not in type(launcher).__module__:
        yield
        return
    from submitit.core.core import Job
    from submitit.core.utils import FailedJobError, UncompletedJobError

    genuine = Job.results

    def results(job: "Job[Any]") -> list[Any]:
        try:
            return genuine(job)
        except FailedJobError as error:
            reason = UserError(_last_line_of_trace(error))
            return [JobReturn(status=JobStatus.FAILED, _return_value=reason)]
        except UncompletedJobError:
            return [JobReturn(_return_value=Killed(job.state))]

    Job.results = results  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Job.results = genuine  # type: ignore[method-assign]


class Killed(str):
    """The state in which the queue left a job without an answer, like OUT_OF_MEMORY."""


def _last_line_of_trace(error: Exception) -> str:
    """Submitit shows the trace of a job between two lines of dashes."""
    text = str(error)
    trace = text.split("----------------------\n")[1:2] or [text]
    return trace[0].strip().splitlines()[-1]
