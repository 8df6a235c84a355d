"""Frozen dataclasses that check their fields on construction, and ranges for the fields."""

from typing import Annotated, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

T = TypeVar("T")

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
# Finite in float32, whose largest number is 3.4e38; so is the product of two slopes.
PositiveFloat = Annotated[float, Field(gt=0, le=1e38)]
Slope = Annotated[float, Field(gt=0, le=1e18)]
UnitInterval = Annotated[float, Field(ge=0, le=1)]

_CONFIG = ConfigDict(arbitrary_types_allowed=True, extra="forbid")


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def validated(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that rejects values of a wrong type or out of range.

    Constructing an instance raises pydantic.ValidationError, a ValueError that names the field,
    the value and the rule.
    """
    return cast(type[T], dataclass(frozen=True, config=_CONFIG)(cls))
