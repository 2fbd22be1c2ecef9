"""The policy: every constant that decides, typed, versioned, loaded from TOML.

Rates and weights are decimals, so that a penalty comes out the same wherever it is computed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final, cast, get_args

from pydantic import Field, ValidationError, model_validator

from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS
from journeys.schemas.money import MICROS
from journeys.schemas.toml_depth import too_deep
from journeys.streams.rule.deadlines import DeadlineRule, Deadlines
from journeys.streams.rule.policy_parts import Days, Dollars, NotNegative, Part, Rate

# Rules that look at single touchpoints see at most this many of an episode's latest ones,
# so that a hot journey's row stays small.
KEPT_TOUCHPOINTS: Final = 64

# A row holds 8 bytes for each id.
MOST_REMEMBERED_IDS: Final = 1024

_TOLD_AT_ONCE: Final = 20  # a log may hold a policy with a hundred thousand wrong keys


class InvalidPolicyError(ExpectedError, ValueError):
    """A policy that can't be taken; the text names each key, its value and what would be right."""


class Cleanup(Part):
    """When an ended journey is forgotten."""

    stale_data_days: Days = Decimal(30)
    batch_size: Annotated[int, Field(gt=0, strict=True)] = 1000


class Limits(Part):
    """Rules beside deadlines."""

    budget: Annotated[Decimal, Field(gt=0, le=1_000_000_000, decimal_places=6, max_digits=28)] | None = None
    conversion_quiet_period_hours: NotNegative = Decimal(0)
    # On live topics, how far a touchpoint's time may lie behind the broker's append time.
    future_skew_minutes: NotNegative = Decimal(60)


class Fatigue(Part):
    """Ends an episode that had at least `touchpoints` within the `window_hours` before its latest one."""

    touchpoints: Annotated[int, Field(gt=1, le=KEPT_TOUCHPOINTS, strict=True)]
    window_hours: Days


class Extension(Part):
    """Extends an engaged episode when its timeout comes due.

    Engaged: CONSIDERING or INTENT, with at least `touchpoints` in the inactivity threshold before the timeout deadline.
    """

    touchpoints: Annotated[int, Field(gt=0, le=KEPT_TOUCHPOINTS, strict=True)]
    extend_by_days: Days


class StateWeight(Part):
    """Weight of the state at the end."""

    UNAWARE: NotNegative = Decimal("0.1")
    AWARE: NotNegative = Decimal("0.2")
    CONSIDERING: NotNegative = Decimal("0.5")
    INTENT: NotNegative = Decimal("0.8")
    CONVERTED: NotNegative = Decimal(0)


class ReasonMultiplier(Part):
    """Multiplier of the reason."""

    TIMEOUT: NotNegative = Decimal("1.0")
    INACTIVITY: NotNegative = Decimal("0.8")
    COMPETITOR_CONVERSION: NotNegative = Decimal("1.5")
    BUDGET_EXHAUSTED: NotNegative = Decimal("0.6")
    USER_FATIGUE: NotNegative = Decimal("0.7")
    MANUAL_TERMINATION: NotNegative = Decimal("0.3")


class ConversionProbability(Part):
    """Default by the state at the end, where no touchpoint said."""

    UNAWARE: Rate = Decimal("0.01")
    AWARE: Rate = Decimal("0.05")
    CONSIDERING: Rate = Decimal("0.3")
    INTENT: Rate = Decimal("0.5")


class Duplicates(Part):
    """How many ids of applied records a journey remembers, to recognise them when they come again."""

    remembered: Annotated[int, Field(ge=1, le=MOST_REMEMBERED_IDS, strict=True)] = 8


class Penalty(Part):
    """Constants of the penalty formula (docs/penalty.md)."""

    formula_version: Annotated[int, Field(ge=1, le=1, strict=True)] = 1
    base_rate: NotNegative = Decimal("0.15")
    decay: Rate = Decimal("0.8")
    opportunity_rate: NotNegative = Decimal("0.25")
    default_conversion_value: Dollars = Decimal(100)
    state_weight: StateWeight = StateWeight()
    reason_multiplier: ReasonMultiplier = ReasonMultiplier()
    default_conversion_probability: ConversionProbability = ConversionProbability()


class Policy(Part):
    """One version of all constants. Durations are also given in milliseconds, money in micros."""

    version: Annotated[str, Field(min_length=1, max_length=200)] = "default-1"
    deadlines: Deadlines = Deadlines()
    cleanup: Cleanup = Cleanup()
    limits: Limits = Limits()
    fatigue: Fatigue | None = None
    extension: Extension | None = None
    duplicates: Duplicates = Duplicates()
    penalty: Penalty = Penalty()

    @model_validator(mode="after")
    def _durations_are_whole_milliseconds(self) -> Policy:
        for part, key, milliseconds in (
            ("deadlines", "timeout_days", self.timeout_ms),
            ("deadlines", "inactivity_hours", self.inactivity_ms),
            ("deadlines", "max_journey_duration_days", self.max_journey_duration_ms),
            ("cleanup", "stale_data_days", self.cleanup_ms),
            ("fatigue", "window_hours", self.fatigue_window_ms if self.fatigue else 1),
        ):
            if milliseconds < 1:
                value = getattr(getattr(self, part), key)
                raise ValueError(f"{part}.{key}: '{value}' input should be at least a millisecond")
        return self

    @cached_property
    def timeout_ms(self) -> int:
        """Timeout of an episode."""
        return int(self.deadlines.timeout_days * DAY_MS)

    @cached_property
    def inactivity_ms(self) -> int:
        """Inactivity threshold."""
        return int(self.deadlines.inactivity_hours * HOUR_MS)

    @cached_property
    def max_journey_duration_ms(self) -> int:
        """Cap on an episode, all extensions included."""
        return int(self.deadlines.max_journey_duration_days * DAY_MS)

    @cached_property
    def grace_ms(self) -> int:
        """How far behind a deadline the clock must be before a punctuation fires it."""
        return int(self.deadlines.grace_seconds * SECOND_MS)

    @cached_property
    def cleanup_ms(self) -> int:
        """How long an ended journey is remembered."""
        return int(self.cleanup.stale_data_days * DAY_MS)

    @cached_property
    def budget_micros(self) -> int | None:
        """Budget of an episode, if the policy has one."""
        return None if self.limits.budget is None else int(self.limits.budget * MICROS)

    @cached_property
    def conversion_quiet_period_ms(self) -> int:
        """How long after a conversion records still belong to the converted episode."""
        return int(self.limits.conversion_quiet_period_hours * HOUR_MS)

    @cached_property
    def future_skew_ms(self) -> int:
        """How far ahead of the broker's append time an occurred_at may be."""
        return int(self.limits.future_skew_minutes * 60 * SECOND_MS)

    @cached_property
    def fatigue_window_ms(self) -> int:
        """Window of the fatigue rule; 0 where it is off."""
        return int(self.fatigue.window_hours * HOUR_MS) if self.fatigue else 0

    @cached_property
    def extend_by_ms(self) -> int:
        """One automatic extension; 0 where it is off."""
        return max(1, int(self.extension.extend_by_days * DAY_MS)) if self.extension else 0

    @cached_property
    def deadline_rules(self) -> tuple[DeadlineRule, ...]:
        """Rules that give other durations to some journeys, the first that holds first."""
        return self.deadlines.by

    @property
    def remembered_ids(self) -> int:
        """How many ids of applied records a journey remembers."""
        return self.duplicates.remembered

    @cached_property
    def keeps_touchpoint_times(self) -> bool:
        """Whether a rule needs the times of single touchpoints."""
        return self.fatigue is not None or self.extension is not None

    @cached_property
    def watches_touchpoints(self) -> bool:
        """Whether a rule looks at each touchpoint that is applied: at its time, or at what it makes of the journey."""
        return self.keeps_touchpoint_times or bool(self.deadline_rules)

    def to_json(self) -> str:
        """Canonical JSON: keys sorted, decimals as text in shortest form. Equal policies have equal JSON."""
        # What came after `default-1` is left out while it is as by default: old logs know nothing of it.
        later: dict[str, Any] = {}
        if self.duplicates == Duplicates():
            later["duplicates"] = True
        if not self.deadlines.by:
            later["deadlines"] = {"by"}
        return json.dumps(_canonical(self.model_dump(exclude=later)), sort_keys=True, separators=(",", ":"))


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value.normalize() + 0:f}"  # -0 is 0
    return value


DEFAULT_POLICY: Final = Policy()


def policy_from_toml(text: str) -> Policy:
    """Policy of TOML text; what it leaves out is as in the default policy. Raises InvalidPolicyError."""
    if why := too_deep(text):
        raise InvalidPolicyError(f"not TOML of a policy: {why}")
    try:
        given = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise InvalidPolicyError(f"not TOML: {error}") from None
    if "version" not in given and given:
        raise InvalidPolicyError("version: missing; a policy of its own needs a version of its own")
    return policy_of_tables(given)


def policy_from_json(text: str) -> Policy:
    """Policy of the JSON that `Policy.to_json` gives. Raises InvalidPolicyError."""
    try:
        given = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise InvalidPolicyError(f"not JSON: {error}") from None
    return policy_of_tables(given)


def policy_of_tables(given: object) -> Policy:
    """Policy of its tables, as `Policy.model_dump` gives them. Raises InvalidPolicyError."""
    try:
        policy = Policy.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False)[:_TOLD_AT_ONCE]
        raise InvalidPolicyError("; ".join(map(_problem, problems))) from None
    if policy.version == DEFAULT_POLICY.version and policy != DEFAULT_POLICY:
        raise InvalidPolicyError(f"version: {policy.version!r} names the default policy; choose another")
    return policy


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "policy"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])  # says all by itself
    if problem["type"] == "extra_forbidden":
        return f"{where}: no such key; expected one of {', '.join(_keys_beside(problem['loc']))}"
    value = problem.get("input")
    shown = "" if problem["type"] == "missing" or isinstance(value, dict) else f" {str(value)[:80]!r}"
    return f"{where}:{shown} {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _keys_beside(where: tuple[str | int, ...]) -> Iterable[str]:
    part: Any = Policy
    for name in where[:-1]:
        if isinstance(name, int):  # place in a list
            continue
        kind = part.model_fields[name].annotation
        part = (get_args(kind) or (kind,))[0]  # of `Fatigue | None`, Fatigue
    return cast(Iterable[str], part.model_fields)
