"""From the words of a sweep to the overrides of each of its jobs."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override

from bnrun.config.errors import UserError
from bnrun.sweep.configs import Configs, SweeperOptions

_RECIPES = ("experiment", "budget")
"""Keys whose value may bring params and grids of its own, so that each value is expanded alone."""


def expanded(
    arguments: Sequence[str], configs: Configs, parser: OverridesParser
) -> list[list[str]]:
    """The overrides of every job; the same ones may come twice.

    A word of the command line replaces those for its key in a grid, which replace those in params.

    arguments  the words of the command line

    Raises UserError for what cannot be swept over.
    """
    jobs = [
        list(words)
        for keys in _keys(arguments, configs, parser)
        for words in itertools.product(*(_words(override, key) for key, override in keys))
    ]
    if not jobs:
        raise UserError(f"{' '.join(arguments)}: the sweep is empty because a range is empty")
    return jobs


class Setting(NamedTuple):
    """Words that all trials of a search share, and the keys that are searched, with their range."""

    words: list[str]
    searched: dict[str, Override]


def settings(arguments: Sequence[str], configs: Configs, parser: OverridesParser) -> list[Setting]:
    """The settings of a search, each of which is searched with the same number of trials.

    interval(...), range(...) and choice(...) are searched; a,b makes two settings.

    arguments  the words of the command line

    Raises UserError if there is nothing to search.
    """
    settings = []
    for keys in _keys(arguments, configs, parser):
        searched = {key: override for key, override in keys if _is_searched(override)}
        if not searched:
            raise UserError(
                "hydra.sweeper.search=optuna: has nothing to search: give a key a range, like "
                "optimizer.lr='tag(log,interval(1e-3,1))', or leave the search out"
            )
        listed = [_words(override, key) for key, override in keys if not _is_searched(override)]
        settings += [Setting(list(words), searched) for words in itertools.product(*listed)]
    return settings


def _is_searched(override: Override) -> bool:
    if override.is_choice_sweep():
        sweep = override.value()
        return isinstance(sweep, ChoiceSweep) and not sweep.simple_form
    return override.is_interval_sweep() or override.is_range_sweep()


def _keys(
    arguments: Sequence[str], configs: Configs, parser: OverridesParser
) -> Iterator[list[tuple[str, Override]]]:
    """The keys of each grid of each recipe, with the override that counts."""
    overrides = parser.parse_overrides(list(arguments))
    own = [o for o in overrides if o.key_or_group in _RECIPES and o.is_sweep_override()]
    fixed = [word for o in overrides if not o.is_sweep_override() for word in _words(o)]
    for recipe in itertools.product(*(_words(override) for override in own)):
        for options in _grids(configs.sweeper_options([*fixed, *recipe] if recipe else [])):
            added = parser.parse_overrides([*options, *arguments, *recipe])
            yield _by_key(added)


def _grids(options: SweeperOptions) -> Iterable[list[str]]:
    """The words of each grid, after those of params."""
    for grid in options.grids:
        yield [f"{key}={value}" for key, value in (options.params | grid).items()]


def _by_key(overrides: Sequence[Override]) -> list[tuple[str, Override]]:
    """Each key as it is written, and the last override of it, at the place of the first.

    +key and ++key are the same key.
    """
    last: dict[str, tuple[str, Override]] = {}
    for override in overrides:
        key = override.get_key_element()
        name = key.lstrip("+")
        # A word that only changes a key keeps the + of the one that adds it.
        added = key if key != name or name not in last else last[name][0]
        last[name] = added, override
    return list(last.values())


def _words(override: Override, key: str | None = None) -> list[str]:
    """The override with each of its values; `key` replaces its own."""
    key = key or override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise UserError(
            f"{override.input_line}: a sweep needs single values: list them, use range(...), or "
            f"search the interval with hydra.sweeper.search=optuna"
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
