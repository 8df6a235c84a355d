"""Where the configs are, and where the user's own code is found."""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

# A wheel carries its own copy; an editable install reads the repository's folder.
CONFIGS = next(
    folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()
)


def import_from_here() -> None:
    """Let `_target_: my_module.MyClass` be found in my_module.py of the working folder.

    `python -m` looks there, an installed command does not. The folder comes last in the search
    path, so that a user's file never shadows an installed module.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
