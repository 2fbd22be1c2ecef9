"""The clickstream `ecom` of the package retentioneering as touchpoints, one journey for each user.

The package is located, not imported: that would load pandas and more. Its data is synthetic, as its documentation
says, and grouped by user; times have no zone and are read as UTC. It holds 30 rows that are equal to another one in
every column. They are kept as separate touchpoints, because nothing in the data says that they are the same click.
"""

from __future__ import annotations

import csv
import gzip
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from journeys.agents.demo.packaged_file import packaged_file
from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.records import State

PACKAGE = "retentioneering"
VERSION = "5.2.4"
_FILE = "retentioneering/datasets/ecom.csv.gz"
_OWN_MAPPING = Path(__file__).with_name("ecom.toml")

# All events of the file. A mapping may name no other: a misspelt event would be ignored without notice.
Event: TypeAlias = Literal[
    "account_page",
    "add_to_cart",
    "cart",
    "catalog",
    "checkout_bug",
    "compare",
    "error_page",
    "filter_results",
    "home",
    "payment_details",
    "payment_error",
    "product_view",
    "promo_page",
    "purchase",
    "review_page",
    "search",
    "shipping_details",
    "support_chat",
    "wishlist_add",
]
Dollars: TypeAlias = Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=6, allow_inf_nan=False)]


class MappingError(ExpectedError, ValueError):
    """A mapping file that can't be used: one line for each fault, with file, key and value."""


class CostPerTouchpoint(BaseModel):
    """Assumed cost of a touchpoint in dollars, by acquisition_channel; at most 6 decimals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organic: Dollars
    paid_search: Dollars
    email: Dollars
    social: Dollars
    direct: Dollars


class EcomMapping(BaseModel):
    """The state of a journey after each event, and the cost of a touchpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    states: dict[Event, State]
    cost_per_touchpoint: CostPerTouchpoint


def load_mapping(path: Path | None = None) -> EcomMapping:
    """Load a mapping; without a path that of this package, agents/demo/ecom.toml. Raises MappingError."""
    path = path or _OWN_MAPPING
    try:
        # Decimal, so that 0.35 is exactly that and not the nearest binary fraction.
        content = tomllib.loads(path.read_text("utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        raise MappingError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: is not TOML: {error}") from error
    try:
        return EcomMapping.model_validate(content)
    except ValidationError as error:
        raise MappingError("\n".join(_faults(path, error))) from error


def _faults(path: Path, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        # pydantic marks a fault in a key itself, not in its value, by a last part "[key]"
        key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        value = "" if fault["type"] == "missing" else f", found {str(fault['input'])!r}"
        yield f"{path}: {key}: {fault['msg']}{value}"


def ecom_path() -> Path:
    """Path of the clickstream in the installed package; raises PackagedFileMissingError."""
    return packaged_file(PACKAGE, VERSION, _FILE)


def touchpoints(mapping: EcomMapping) -> Iterator[dict[str, Any]]:
    """All 31,106 touchpoints in order of time, as objects of the JSONL input.

    Equal times keep their order in the file. touchpoint_id contains the row number, from 1 after the header, so it does
    not depend on the mapping. Raises PackagedFileMissingError.
    """
    costs = {channel: format(cost, "f") for channel, cost in mapping.cost_per_touchpoint}
    states: dict[str, str] = dict(mapping.states.items())
    lines: list[dict[str, Any]] = []
    with gzip.open(ecom_path(), "rt", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=1):
            line = {
                "kind": "touchpoint",
                "journey_id": f"ecom-{row['user_id']}",
                "user_id": row["user_id"],
                "occurred_at": row["timestamp"].replace(" ", "T") + "Z",
                "touchpoint_id": f"ecom-row-{number}",
                "channel": row["acquisition_channel"],
                "event_type": row["event"],
                "cost": costs[row["acquisition_channel"]],
            }
            state = states.get(row["event"])
            if state is not None:
                line["state"] = state
            lines.append(line)
    # Texts of one format and zone sort as their times do; the sort is stable.
    lines.sort(key=itemgetter("occurred_at"))
    return iter(lines)
