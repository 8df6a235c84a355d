"""From an exception to one sentence: the key, the value, the rule, what to do instead."""

import re
from typing import TYPE_CHECKING

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import (
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """A user's mistake, said in one sentence."""


class DivergedError(UserError):
    """A run that divergence has ended; it has a result."""


MISTAKES = (
    *(HydraException, OmegaConfBaseException),
    *(ValueError, TypeError, OSError, ImportError, OverflowError),
)
"""What a config or a data file that is wrong makes the building of a run raise."""


EXTRAS = {"joblib": "joblib", "submitit": "slurm", "ray": "ray"}
"""A launcher's plugin -> the extra of ours that installs it."""


def lacks_memory(error: BaseException) -> bool:
    """Whether memory was short; torch has no exception of its own for that on a CPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def missing_launcher(error: BaseException) -> str | None:
    """What to install where Hydra knows a launcher by its config alone; None for other errors."""
    found = re.search(r"Unknown plugin class : '.*hydra_(\w+)_launcher\.", str(error))
    if found is None:
        return None
    name = found.group(1)
    extra = EXTRAS.get(name, name)
    return f'hydra/launcher: {name} is not installed: pip install "bnrun[{extra}]"'


def sentence(error: BaseException) -> str:
    """What the user did wrong and what to do instead, in one line."""
    # Here, so that what makes no mistake, like --help, needn't wait for it.
    from pydantic import ValidationError

    if lacks_memory(error):
        return (
            "memory is too short for this run: try a smaller model, fewer seeds, a smaller "
            "trainer.batch_size or fewer samples"
        )
    match error:
        case MissingConfigException():
            text = _missing_config(error)
        case InstantiationException():
            text = _instantiation(error)
        case ValidationError():
            text = _violation(error)
        case OverrideParseException():
            text = f"{error.override}: not of the form key=value ({_first_line(error)})"
        case ConfigCompositionException():
            text = _composition(error)
        case MissingMandatoryValue():
            text = f"{error.full_key}: has no value yet, give it one ({error.full_key}=...)"
        case InterpolationResolutionError() if error.__cause__ is not None:
            text = str(error.__cause__)
        case InterpolationResolutionError():
            text = re.sub(r"^\w+ raised while resolving interpolation: ", "", _first_line(error))
        case ValueError() if str(error).startswith("Config group override must be"):
            text = f"{_no_choice()}{error}"
        case OSError() if error.filename:
            text = f"{error.filename!s}: {error.strerror}"
        case _:
            text = str(error) or type(error).__name__
    # What torch adds there is where in its own code it was.
    return " ".join(text.partition("Exception raised from")[0].split())


def _missing_config(error: MissingConfigException) -> str:
    name = error.missing_cfg_file or ""
    if not error.options:
        return _first_line(error)
    group, _, choice = name.rpartition("/")
    return f"{group}={choice}: no such choice, use one of {', '.join(sorted(error.options))}"


def _composition(error: ConfigCompositionException) -> str:
    found = re.search(
        r"Could not override '([^']+)'\.?\s*(No match in the defaults list)?", str(error)
    )
    if found is None:
        cause = error.__cause__
        return f"{_first_line(error)}: {_first_line(cause)}" if cause else _first_line(error)
    key, no_group = found.groups()
    meant = re.search(r"Did you mean to override ([^?\s]+)\?", str(error))
    if meant:
        return f"{key}: no such option, use {meant.group(1)}=..."
    if no_group:
        others = [name for name in _groups() if name != key]
        return f"{key}: no such group, use one of {', '.join(others)}"
    return f"{key}: no such option, {_siblings(key)}"


def _groups() -> list[str]:
    from bnrun.config.paths import CONFIGS

    folders = [folder.name for folder in CONFIGS.iterdir() if folder.is_dir()]
    return sorted(name for name in folders if name != "hydra")


def _no_choice() -> str:
    """The word of the command line that gives a group something else than a name."""
    import sys

    words = [word for word in sys.argv[1:] if re.search(r"=(null|true|false|[-+.\d].*)?$", word)]
    return next((f"{word}: " for word in words if word.partition("=")[0] in _groups()), "")


def _siblings(key: str) -> str:
    import sys

    from hydra import compose, initialize_config_dir
    from omegaconf import DictConfig, OmegaConf

    from bnrun.config.paths import CONFIGS

    parent = key.rpartition(".")[0]
    choices = [word for word in sys.argv[1:] if _is_choice(word)]
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = compose("config", overrides=choices)
    except (HydraException, OmegaConfBaseException):
        return "see bnrun --cfg job"  # A choice from a folder of the user's own.
    node = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig):
        return f"and no {parent} either: see bnrun --cfg job"
    return f"use one of {', '.join(f'{parent}.{name!s}'.lstrip('.') for name in node)}"


def _is_choice(word: str) -> bool:
    key, _, value = word.partition("=")
    return key in _groups() and "," not in value


def _instantiation(error: InstantiationException) -> str:
    from pydantic import ValidationError

    cause = error.__cause__
    place = re.search(r"full_key: (\S+)", str(error))
    key = place.group(1) if place else ""
    if isinstance(cause, ValidationError):
        return _violation(cause, prefix=key)
    if cause is not None and not isinstance(cause, InstantiationException):
        return f"{key}: {cause}" if key else str(cause)
    return f"{key}: {_first_line(error)}"


def _violation(error: "ValidationError", prefix: str = "") -> str:
    """The first one; of a union's branches, which all tell theirs, the one that came furthest."""
    first, *others = error.errors()
    branches = [first, *(other for other in others if other["loc"][:1] == first["loc"][:1])]
    violation = max(branches, key=lambda branch: len(branch["loc"]))
    rule = violation["msg"].removeprefix("Value error, ").removeprefix("Input ")
    places = [str(part) for part in violation["loc"] if not _is_branch(str(part))]
    key = ".".join([prefix, *places]).strip(".")
    if violation["type"] == "value_error" and not violation["loc"]:
        return f"{key}: {rule}" if key else rule
    if violation["type"] == "extra_forbidden":
        return f"{key}: no such option, leave it out (bnrun --cfg job shows all there are)"
    return f"{key}={_shown(violation['input'])}: {rule}"


def _is_branch(part: str) -> bool:
    """Whether pydantic says which member of a union it tried, which no user has written."""
    return bool(re.search(r"[\[\(]|^(int|float|str|constrained-\w+)$", part))


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
