"""Where the configs are, and where the user's own code is found."""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

# A wheel carries its own copy; an editable install reads the repository's folder.
CONFIGS = next(
    folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()
)


def import_from(folder: Path) -> None:
    """Let `_target_: my_module.MyClass` be found in my_module.py of a folder.

    `python -m` looks into the working folder, an installed command does not. The folder comes
    last in the search path, so that a user's file never shadows an installed module.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def import_from_here() -> None:
    """The same for the working folder."""
    import_from(Path.cwd())
