"""trackio: a tracker with the interface of wandb, whose data stay on the machine."""

from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from bnrun.recording.tracker import Tracker


class Trackio(Tracker):
    """A study is a project; `trackio show --project <study>` opens it.

    Raises ValueError if trackio is not installed.
    """

    def __init__(self) -> None:
        spec = find_spec("trackio")
        if spec is None or spec.origin is None:  # A folder of this name is not a package.
            raise ValueError('trackio is not installed: pip install "bnrun[trackio]"')

    def start(self, study: str, run: str, config: Mapping[str, Any]) -> None:
        """Begin the run, in place of an earlier one of this name."""
        import trackio  # 1 s, which only its users wait for

        with suppress(ValueError):  # which means that there is no such project yet
            for earlier in [each for each in trackio.Api().runs(study) if each.name == run]:
                earlier.delete()
        trackio.init(
            project=study, name=run, config=dict(config), auto_log_gpu=False, auto_log_cpu=False
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to some curves."""
        import trackio

        trackio.log(dict(values), step=step)

    def finish(self) -> None:
        """End the run, once everything is in trackio's database."""
        import trackio

        trackio.finish()
