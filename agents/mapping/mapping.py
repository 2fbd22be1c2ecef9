"""A mapping: how rows of other people's files become records. A value; TOML says it, DuckDB applies it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journeys.schemas.records import SIGNALS, STATES

KEEP: Final = "keep"
SKIP: Final = "skip"
OTHERS: Final = "*"
EVENT_VALUES: Final = (*STATES, KEEP, SKIP, *SIGNALS)
Kind: TypeAlias = Literal["touchpoint", "registration", "signal", "command"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a value comes from: one of the first six keys."""

    column: str | None = None
    """A column by its name, or a path into it: `properties.revenue`, `items[0].id`, `event_params[page_location]`."""
    first: tuple[str, ...] | None = None
    """Columns or paths: the first that is there and not empty."""
    constant: str | int | float | bool | None = None
    expression: str | None = None
    """An expression of DuckDB over columns and `derive`."""
    hash: tuple[str, ...] | None = None
    """Columns whose values together make an id: the first 32 hex digits of SHA-256."""
    row_number: bool = False
    """The name of the file and the number of the line."""
    optional: bool = False
    """Whether files may lack all of its columns."""
    values: dict[str, str] | None = None
    """What to put in place of values; others stay."""

    @model_validator(mode="after")
    def _has_one_origin(self) -> Source:
        _require_one(self, _ORIGINS)
        return self


_ORIGINS: Final = ("column", "first", "constant", "expression", "hash", "row_number")


def _require_one(source: Source, origins: tuple[str, ...]) -> None:
    given = [name for name in origins if getattr(source, name) is not None and getattr(source, name) is not False]
    if len(given) != 1:
        raise ValueError(f"takes one of {', '.join(origins)}; here is {' and '.join(given) or 'none'}")


class Instant(Source):
    """An instant. Without `unit` and `format`: RFC 3339, ISO 8601, or a number whose size tells its unit."""

    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: tuple[str, ...] = ()
    """Formats of strptime, the first that fits; a text instead of a list is one."""
    zone: str | None = None
    """IANA name, such as Europe/Berlin, for times that say none."""
    since: str | None = None
    """An instant in RFC 3339 from which numbers count, in place of 1970."""

    @model_validator(mode="before")
    @classmethod
    def _one_format(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("format"), str):
            return value | {"format": (value["format"],)}
        return value


class Money(Source):
    """An amount of money, in dollars unless `unit` or `rate` says else."""

    unit: Literal["units", "cents", "micros"] = "units"
    rate: Decimal = Field(default=Decimal(1), gt=0)
    """Dollars for one unit of the currency."""
    currency: str | None = None
    """Its name; for people."""
    round: bool = False
    """Whether to round to 6 places, half to even, in place of refusing more of them."""
    decimal_mark: Literal[".", ","] = "."


class DailySpend(_Strict):
    """Spend by day and channel in a file of its own, shared evenly among the touchpoints of that day and channel."""

    file: str
    """Path, from the folder of the mapping."""
    day: str
    amount: str
    channel: str | None = None
    zone: str = "UTC"
    """In which the days are."""
    rate: Decimal = Field(default=Decimal(1), gt=0)
    events: tuple[str, ...] | None = None
    """Touchpoints of which event types share it; without it all."""


class Cost(Money):
    """What a touchpoint cost: by a column, by its channel, or by daily spend."""

    by_channel: dict[str, Decimal] | None = None
    """Dollars a touchpoint by channel; `*` is any other."""
    daily: DailySpend | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Cost:
        _require_one(self, (*_ORIGINS, "by_channel", "daily"))
        return self


def _as_source(value: Any) -> Any:
    """A text is a column, a list the first of several, a number a constant."""
    if isinstance(value, str):
        return {"column": value}
    if isinstance(value, list):
        return {"first": value}
    if isinstance(value, int | float):
        return {"constant": value}
    return value


_Text: TypeAlias = Annotated[Source | None, BeforeValidator(_as_source)]
_Instant: TypeAlias = Annotated[Instant | None, BeforeValidator(_as_source)]
_Money: TypeAlias = Annotated[Money | None, BeforeValidator(_as_source)]
_Cost: TypeAlias = Annotated[Cost | None, BeforeValidator(_as_source)]


class Fields(_Strict):
    """Fields of a record, each with where it comes from: a column, a list of them, a number, or a table."""

    journey_id: _Text = None
    user_id: _Text = None
    touchpoint_id: _Text = None
    occurred_at: _Instant = None
    channel: _Text = None
    event_type: _Text = None
    segment: _Text = None
    state: _Text = None
    cost: _Cost = None
    conversion_probability: _Text = None
    conversion_value: _Money = None
    action_id: _Text = None
    policy_version: _Text = None
    propensity: _Text = None
    signal: _Text = None
    command: _Text = None
    reason: _Text = None
    days: _Text = None
    command_id: _Text = None
    requested_by: _Text = None
    note: _Text = None
    timeout_days: _Text = None
    inactivity_hours: _Text = None
    budget: _Money = None

    def over(self, other: Fields) -> Fields:
        """These, and those of `other` that are not given here."""
        return other.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class Rule(_Strict):
    """What rows make of which a condition holds."""

    when: str = "true"
    """A condition of DuckDB over columns and `derive`."""
    record: Kind = "touchpoint"
    skip: str | None = None
    """Why these rows make nothing; they are counted."""
    fields: Fields = Fields()
    """In place of the mapping's."""


class FileShape(_Strict):
    """How the files are written, where their own look does not tell."""

    format: Literal["csv", "jsonl", "json", "parquet"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    header: bool | None = None
    columns: tuple[str, ...] | None = None
    each: str | None = None
    """A column with a list: each element makes a row."""
    absent: tuple[str, ...] = ()
    """Texts that mean: no value, such as NULL or (not set)."""


class Mapping(_Strict):
    """A mapping. A row is taken by the first of `rules` whose condition holds, else by `events`.

    `also` adds records.
    """

    name: str | None = None
    about: str | None = None
    source: str | None = None
    """Where the shape of the files is documented."""
    fits: tuple[tuple[str, ...], ...] = ()
    """Columns by which `journeys inspect` knows files of this shape: all of one of these lists."""
    file: FileShape = FileShape()
    derive: dict[str, Annotated[Source, BeforeValidator(_as_source)]] = {}
    """Values with a name, for conditions, expressions and fields."""
    fields: Fields = Fields()
    events: dict[str, str] = {}
    """For values of event_type: a state, `keep` (a touchpoint that keeps the state), `skip`, or a signal."""
    rules: tuple[Rule, ...] = ()
    also: tuple[Rule, ...] = ()
    """More records of the same rows."""

    @model_validator(mode="after")
    def _fits_together(self) -> Mapping:
        for event, value in self.events.items():
            if value not in EVENT_VALUES:
                raise ValueError(f"events: {event} = {value!r}: one of {', '.join(EVENT_VALUES)}")
        if self.events and self.fields.event_type is None:
            raise ValueError("events: they need [fields] event_type, the column that names them")
        for field in ("journey_id", "occurred_at"):
            if getattr(self.fields, field) is None and not all(getattr(rule.fields, field) for rule in self.rules):
                raise ValueError(f"fields: {field} is missing: the column that says {_WHAT[field]}")
        return self


_WHAT: Final = {"journey_id": "whose row it is", "occurred_at": "when it happened"}
