"""What all parts of a run share, known before torch is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnrun.config.run_id import NAMED
from bnrun.config.settings import Settings
from bnrun.run.log import Log


@dataclass(frozen=True)
class RunContext:
    """One run: its resolved config, that config validated, its folder and its log.

    start  the folder where relative paths of the config begin
    """

    config: dict[str, Any]
    settings: Settings
    folder: Path
    log: Log
    start: Path

    @property
    def title(self) -> str:
        """E.g. sbn/st/digits/mlp."""
        return "/".join(str(self.config["choices"][group]) for group in NAMED)
