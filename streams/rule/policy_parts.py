"""What the tables of a policy are made of: their base class, and the numbers that they hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# Counts are strict: to see whether 1e999999999 is whole, pydantic would write it out, and a worker would stand still.
Days = Annotated[Decimal, Field(gt=0, le=36_500, allow_inf_nan=False, max_digits=28)]
Hours = Annotated[Decimal, Field(gt=0, le=876_000, allow_inf_nan=False, max_digits=28)]
NotNegative = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False, max_digits=28)]
Rate = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False, max_digits=28)]
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=6, allow_inf_nan=False, max_digits=28)]


class Part(BaseModel):
    """A table of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")
