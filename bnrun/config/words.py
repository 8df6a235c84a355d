"""The words of the command line, in an order and a form that Hydra takes."""

from collections.abc import Sequence
from pathlib import Path

_FLAGS_WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun"),
)
_ARGUMENTS = "model.args."
_INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def arranged(words: Sequence[str]) -> list[str]:
    """The flags first, then the overrides; argparse refuses overrides on both sides of a flag.

    ~ becomes the home folder where Hydra does not take it: in --config-dir, and in a value that
    begins with it.
    """
    flags: list[str] = []
    overrides: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, sign, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(with_arguments(f"{name}{sign}{_from_home(value)}"))
        elif sign:
            flags.append(f"{name}{sign}{_from_home(value)}")
        else:
            flags.append(word)
            is_info = word in ("--info", "-i") and rest[:1] and rest[0] in _INFORMATION
            if rest and (word in _FLAGS_WITH_VALUE or is_info):
                flags.append(_from_home(rest.pop(0)))
    return [*flags, *overrides]


def with_arguments(override: str) -> str:
    """The override as Hydra takes it: any name is an argument of a module, in model.args."""
    return f"++{override}" if override.startswith(_ARGUMENTS) else override


def _from_home(value: str) -> str:
    return str(Path(value).expanduser()) if value == "~" or value.startswith("~/") else value
