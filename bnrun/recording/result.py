"""result.json: the outcome of a run. It is written last, so its presence means "finished"."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from bnrun.recording.files import replaced

RESULT = "result.json"

Score = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""One seed's final value; NaN (null in the file) if it is not finite."""


class Goal(TypedDict):
    """What a run is judged by.

    score             name of the score
    way               of evaluating; None means the neuron's own
    larger_is_better  whether more of it is better
    """

    score: str
    way: str | None
    larger_is_better: bool


# Goal of results from before there were other tasks.
_CLASSIFICATION: Goal = {"score": "accuracy", "way": None, "larger_is_better": True}


# Results from before runs wrote `way` name the neuron's yaml alone, and only these two were not
# evaluated by a sample of their bits.
_OLD_WAYS = {"dbn": "thresholded", "real": "mean_field"}


# What results lack that were written before a key existed.
_OLDER: dict[str, Any] = {"goal": _CLASSIFICATION, "versions": {}, "commit": None, "data": {}}

_DEEPEST = 50
"""Levels of nesting; a config has about five. Far more would end in a RecursionError somewhere."""


class Result(TypedDict):
    """The outcome of a run; lists are over seeds.

    seeds        one per replica
    scores       split -> score -> way of evaluating -> one value per seed
    goal         the score to judge it by; a classifier's if the file has none
    way          the neuron's own way of evaluating (thresholded, sampled or mean_field), which
                 is meant where the goal names none; read_result fills it in for older results
    evaluations  of the loss per example and update; missing from older results
    diverged     seed -> step at which its loss stopped being finite
    steps        updates done
    seconds      wall time
    config       resolved, with the choice of every config group under "choices"
    versions     package -> version
    commit       of bnrun's code; None if unknown
    data         file or array -> sha256
    """

    # Deferred, so that an error in the settings need not wait for this validator to be built.
    __pydantic_config__ = ConfigDict(extra="allow", defer_build=True)  # type: ignore[misc]  # pydantic reads it there

    seeds: Annotated[list[Annotated[int, Field(lt=2**63)]], Field(min_length=1)]
    scores: dict[str, dict[str, dict[str, list[Score]]]]
    goal: Goal
    way: NotRequired[str]
    evaluations: NotRequired[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    diverged: dict[int, int]
    steps: Annotated[int, Field(ge=0, lt=2**63)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    config: dict[str, Any]
    versions: dict[str, str]
    commit: str | None
    data: dict[str, Any]


_SCHEMA = TypeAdapter(Result)


def write_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write result.json into a run's folder, completely or not at all; returns its path.

    Numbers that are not finite become null. Raises ValueError if `result` is not a Result, OSError
    if the folder cannot be written.
    """
    path = folder / RESULT
    text = json.dumps(_null(_checked(result, path)), indent=1, allow_nan=False)
    with replaced(path) as file:
        file.write(text.encode() + b"\n")
    return path


def read_result(path: Path) -> Result:
    """A run's result, from its result.json. Raises ValueError if the file is not a result."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path}: not a file; remove it and rerun its run")
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error}); delete it and rerun its run") from error
    result = _checked(content, path)
    neuron = str(result["config"]["choices"].get("neuron"))
    result.setdefault("way", _OLD_WAYS.get(neuron, "sampled"))
    return result


def _checked(content: Any, path: Path) -> Result:
    if isinstance(content, dict):
        content = {**_OLDER, **content}
    if _depth(content) > _DEEPEST:
        raise ValueError(f"{path}: not a result, it is nested more than {_DEEPEST} levels deep")
    try:
        result = _SCHEMA.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ValueError(f"{path}: not a result, {place}: {first['msg']}") from error
    if len(set(result["seeds"])) < len(result["seeds"]):
        raise ValueError(f"{path}: not a result, a seed is listed twice")
    for place, number in _lengths(result):
        if number != len(result["seeds"]):
            raise ValueError(
                f"{path}: not a result, scores.{place} has {number} values "
                f"for {len(result['seeds'])} seeds"
            )
    unknown = result["diverged"].keys() - set(result["seeds"])
    if unknown:
        raise ValueError(
            f"{path}: not a result, diverged names {min(unknown)}, which is not one of its seeds"
        )
    if not isinstance(result["config"].get("choices"), dict):
        raise ValueError(f"{path}: not a result, config.choices is missing")
    return result


def _depth(content: Any) -> int:
    """Levels of nesting, counted without recursion."""
    level, depth = [content], 0
    while level:
        depth += 1
        level = [
            inner
            for node in level
            if isinstance(node, dict | list | tuple)
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


def _lengths(result: Result) -> list[tuple[str, int]]:
    return [
        (f"{split}.{score}.{way}", len(values))
        for split, scores in result["scores"].items()
        for score, ways in scores.items()
        for way, values in ways.items()
    ]


def _null(node: Any) -> Any:
    match node:
        case dict():
            return {key: _null(value) for key, value in node.items()}
        case list() | tuple():
            return [_null(value) for value in node]
        case float() if not math.isfinite(node):
            return None
        case _:
            return node
