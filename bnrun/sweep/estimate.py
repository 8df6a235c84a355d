"""How long the rest of a sweep will take."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from bnrun.config.duration import duration
from bnrun.recording.metrics import HistoryEnd, history_end
from bnrun.sweep.plan import Job


def time_left(jobs: Sequence[Job]) -> str:
    """The time left with one worker, from the speed of all steps measured in this study."""
    rates: dict[str, list[float]] = {"step": [], "epoch": []}
    places = {job.folder: _end(job.folder) for job in jobs}
    for place in places.values():
        if place is not None and place.step:
            rates["step"].append(place.seconds / place.step)
            rates["epoch"].append(place.seconds / place.epoch)
    left = [job for job in jobs if job.status != "refused" and (job.force or job.status != "done")]
    if not left:
        return "nothing is left to run"
    if not rates["step"]:
        return "no estimate of the time, because no step has been measured yet"
    seconds = 0.0
    for job in left:
        unit, length = job.length
        place = places[job.folder]
        trained = (
            0.0 if job.force or place is None else place.step if unit == "step" else place.epoch
        )
        seconds += max(0.0, length - trained) * statistics.median(rates[unit])
    return f"about {duration(seconds)} left with one worker"


def _end(folder: Path) -> HistoryEnd | None:
    try:
        return history_end(folder)
    except (OSError, ValueError):
        return None  # The run itself says that its history is damaged.
