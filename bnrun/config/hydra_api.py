"""What Hydra 1.4 and OmegaConf 2.4 call differently from Hydra 1.3 and OmegaConf 2.3."""

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import hydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

_IS_1_3 = hydra.__version__.startswith("1.3.")

BASE: dict[str, Any] = {"version_base": "1.3"} if _IS_1_3 else {}
"""Options of hydra.main and hydra.initialize_config_dir: from 1.4 on, they are to be left out."""

# In OmegaConf 2.3, register_resolver is another function.
register_resolver = getattr(OmegaConf, "register_new_resolver" if _IS_1_3 else "register_resolver")


def own_targets() -> AbstractContextManager[Any]:
    """While the block runs, Hydra may instantiate the classes of this package, as its sweeper."""
    if _IS_1_3:
        return nullcontext()
    from hydra.utils import execution_whitelist  # type: ignore[attr-defined]  # not in 1.3

    manager: AbstractContextManager[Any] = execution_whitelist(["bnrun.*"])
    return manager


def whitelist(targets: Iterable[str]) -> dict[str, Any]:
    """Options of hydra.utils.instantiate, so that it makes what a config's targets name.

    Hydra 1.3 refuses some targets by a list of its own. From 1.4 on it has to be given the
    packages that are allowed: all but Python's own library, which has os.remove and the like.
    """
    if _IS_1_3:
        return {}
    named = {target.partition(".")[0] for target in targets} - sys.stdlib_module_names
    return {"_execution_whitelist_": [f"{package}.*" for package in sorted(named)]}


def set_override_dirname(job: DictConfig, overrides: list[Override]) -> None:
    """Set the name that the overrides make in a config's hydra.job; 1.4 makes it where it is used.

    This is an internal function of 1.3.
    """
    if _IS_1_3:
        from hydra._internal.config_loader_impl import get_overrides_dirname

        rules = job.config.override_dirname
        job.override_dirname = get_overrides_dirname(
            overrides, rules.exclude_keys, rules.item_sep, rules.kv_sep
        )
