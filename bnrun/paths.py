"""Where the configs are."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

# A wheel carries its own copy; an editable install reads the repository's folder.
CONFIGS = next(
    folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()
)
