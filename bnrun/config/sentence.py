"""From an exception to one sentence: which key, which value, which rule, what to do instead."""

import re
import sys
from collections.abc import Iterator

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from pydantic import ValidationError

from bnrun.config.compose import composed
from bnrun.config.errors import is_mistake, is_out_of_memory
from bnrun.config.frames import own_place
from bnrun.config.near import alternatives, meant
from bnrun.config.paths import CONFIGS
from bnrun.config.plain import plain
from bnrun.config.synonyms import synonym

EXTRAS = {"joblib": "joblib", "submitit": "slurm", "ray": "ray"}
"""Plugin of a launcher -> the extra of this package that installs it."""


def missing_launcher(error: BaseException) -> str | None:
    """What to install if a launcher's plugin is missing; None for any other error."""
    match = re.search(r"Unknown plugin class : '.*hydra_(\w+)_launcher\.", str(error))
    if match is None:
        return None
    name = match[1]
    return f'hydra/launcher: {name} is not installed: pip install "bnrun[{EXTRAS.get(name, name)}]"'


def sentence(error: BaseException) -> str:
    """What is wrong and what to do instead, in one line; of a bug, its class and its place too."""
    if is_out_of_memory(error):
        return (
            "out of memory: try a smaller model, fewer seeds, a smaller trainer.batch_size or "
            "fewer samples"
        )
    match error:
        case MissingConfigException():
            text = _missing_config(error)
        case InstantiationException():
            text = _instantiation(error)
        case ValidationError():
            text = _violation(error)
        case OverrideParseException():
            text = (
                f"{error.override}: not of the form key=value ({first_line(error)}); put a value "
                f"with unusual characters in quotes that the shell leaves, \"key='a: b'\""
            )
        case ConfigCompositionException():
            text = _composition(error)
        case MissingMandatoryValue():
            text = f"{error.full_key}: has no value yet, give it one ({error.full_key}=...)"
        case InterpolationResolutionError() if error.__cause__ is not None:
            text = str(error.__cause__)
        case InterpolationResolutionError():
            text = re.sub(r"^\w+ raised while resolving interpolation: ", "", first_line(error))
        case ValueError() if str(error).startswith("Config group override must be"):
            text = f"{_invalid_choice()}{error}"
        case OSError() if error.filename:
            text = f"{error.filename!s}: {error.strerror}"
        case _ if is_mistake(error):
            text = str(error) or type(error).__name__
        case _:
            where = own_place(error)
            text = f"{type(error).__name__}: {error}" + (f" ({where})" if where else "")
    # Behind these words torch lists its own stack frames.
    return plain(" ".join(text.partition("Exception raised from")[0].split()))


def first_line(error: BaseException | None) -> str:
    """The first line of an exception's message, or its class if there is no message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _missing_config(error: MissingConfigException) -> str:
    name = error.missing_cfg_file or ""
    if not error.options:
        return first_line(error)
    group, _, choice = name.rpartition("/")
    if group.endswith("estimator") and (known := synonym(choice)):
        return f"{group}={choice}: that is {known}"
    return f"{group}={choice}: no such choice, {alternatives(choice, sorted(error.options))}"


def _composition(error: ConfigCompositionException) -> str:
    match = re.search(
        r"Could not override '([^']+)'\.?\s*(No match in the defaults list)?", str(error)
    )
    ambiguous = re.search(r"Ambiguous value for argument '(.+)'", str(error))
    if ambiguous:
        return f"{ambiguous[1]}: several values make a sweep, add -m"
    swept = re.search(r"Sweep parameters '(.+)' requires --multirun", str(error))
    if swept:
        return f"{swept[1]}: a range of values makes a sweep, add -m"
    if match is None:
        cause = error.__cause__
        return f"{first_line(error)}: {first_line(cause)}" if cause else first_line(error)
    key, no_group = match.groups()
    qualified = re.search(r"Did you mean to override ([^?\s]+)\?", str(error))
    if qualified:
        return f"{key}: no such option, use {qualified[1]}=..."
    if no_group:
        return f"{key}: no such group, {_instead(key, no_group=True)}"
    return f"{key}: no such option, {_instead(key)}"


def _groups() -> list[str]:
    folders = [folder.name for folder in CONFIGS.iterdir() if folder.is_dir()]
    return sorted(name for name in folders if name != "hydra")


def _invalid_choice() -> str:
    """The word of the command line that gives a group something other than a name."""
    words = [word for word in sys.argv[1:] if re.search(r"=(null|true|false|[-+.\d].*)?$", word)]
    return next((f"{word}: " for word in words if word.partition("=")[0] in _groups()), "")


def _instead(key: str, no_group: bool = False) -> str:
    """What to use in place of a key that does not exist: what was meant, or the keys beside it."""
    try:
        words = [word for word in sys.argv[1:] if _is_choice(word)]
        config = composed([word for word in words if word.partition("=")[0] != key])
    except (HydraException, OmegaConfBaseException):
        return "see bnrun --cfg job"
    groups = [name for name in _groups() if name != key]
    close = meant(key, [name for name in (*groups, *_keys(config)) if name not in key])
    if close:
        return f"did you mean {close}?"
    if no_group:
        return f"use one of {', '.join(groups)}"
    parent = key.rpartition(".")[0]
    if parent == "layers":
        return f"choose an estimator for the layer: +estimator@{key}=st +neuron@{key}.neuron=sbn"
    node = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig):
        return f"and no {parent} either: see bnrun --cfg job"
    return f"use one of {', '.join(f'{parent}.{name!s}'.lstrip('.') for name in node)}"


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    """All keys of a config, joined by dots."""
    for name in node:
        key = f"{prefix}.{name!s}".lstrip(".")
        yield key
        value = node._get_node(name)
        if isinstance(value, DictConfig) and not value._is_interpolation():
            yield from _keys(value, key)


def _is_choice(word: str) -> bool:
    key, _, value = word.partition("=")
    return key in _groups() and "," not in value


def _instantiation(error: InstantiationException) -> str:
    cause = error.__cause__
    place = re.search(r"full_key: (\S+)", str(error))
    key = place[1] if place else ""
    if isinstance(cause, ValidationError):
        return _violation(cause, prefix=key)
    if cause is not None and not isinstance(cause, InstantiationException):
        where = own_place(cause)
        text = f"{cause} ({where})" if where else str(cause)
        return text if text.startswith(key) else f"{key}: {text}"
    return f"{key}: {first_line(error)}"


def _violation(error: ValidationError, prefix: str = "") -> str:
    """The first violation; of a union's members, that of the member which matched furthest."""
    first, *others = error.errors()
    members = [first, *(other for other in others if other["loc"][:1] == first["loc"][:1])]
    # Of a list that is too short, that says more than that it is not a number.
    violation = max(members, key=lambda m: (len(m["loc"]), not m["type"].endswith("_type")))
    rule = violation["msg"].removeprefix("Value error, ").removeprefix("Input ")
    rule = re.sub(r" after validation, not \d+$", "", rule).replace("valid tuple", "list")
    rule = re.sub("^(Tuple|List) ", "", rule).replace("valid list", "list")
    path = [str(part) for part in violation["loc"] if not _is_union_member(str(part))]
    key = ".".join([prefix, *path]).strip(".")
    if violation["type"] == "value_error" and not violation["loc"]:
        return f"{key}: {rule}" if key else rule
    if violation["type"] == "missing":
        deleted = next((word for word in sys.argv[1:] if word.startswith("~")), "")
        return f"{key}: is missing, " + (f"leave out {deleted}" if deleted else "give it a value")
    if violation["type"] == "extra_forbidden":
        return f"{key}: no such option, leave it out (bnrun --cfg job lists all options)"
    return f"{key}={_shortened(violation['input'])}: {rule}"


def _is_union_member(part: str) -> bool:
    """Whether pydantic names the member of a union here, which the user never wrote."""
    return bool(re.search(r"[\[\(]|^(int|float|str|constrained-\w+)$", part))


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
