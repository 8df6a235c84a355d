"""Frozen dataclasses whose fields are checked on construction, and the ranges they use."""

from typing import Annotated, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

T = TypeVar("T")

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
# Within float32, which ends at 3.4e38; the product of two slopes, too.
PositiveFloat = Annotated[float, Field(gt=0, le=1e38)]
Slope = Annotated[float, Field(gt=0, le=1e18)]
UnitInterval = Annotated[float, Field(ge=0, le=1)]

_CONFIG = ConfigDict(arbitrary_types_allowed=True, extra="forbid")


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def validated(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass that refuses values of a wrong type or out of range.

    Raises (on construction of the class it returns): pydantic.ValidationError, a ValueError
    that names the field, the value and the rule.
    """
    return cast(type[T], dataclass(frozen=True, config=_CONFIG)(cls))
