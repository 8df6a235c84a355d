"""Where the configs are, and where code of one's own is looked for."""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

# A wheel carries its own copy; an editable install reads the repository's folder.
CONFIGS = next(
    folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()
)


def import_from_here() -> None:
    """Let `_target_: mine.Mine` be found in mine.py of the working folder.

    An installed command does not look there, as `python -m` does. Last, so that a file of a user
    takes no library's place.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
