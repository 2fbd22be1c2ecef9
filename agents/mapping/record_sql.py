"""One rule of a mapping as a query of DuckDB: rows in, columns of the line format out."""

from __future__ import annotations

from typing import Final

from journeys.agents.files.raw_table import FILE, LINE, PART, literal
from journeys.agents.mapping.column_sql import Columns
from journeys.agents.mapping.mapping import KEEP, SKIP, Fields, Mapping, Rule, Source
from journeys.agents.mapping.value_sql import Value, cost_value, instant_value, money_value, number_value
from journeys.schemas.records import SIGNALS, STATES

FAULT: Final = "_fault"
NUMBER: Final = "_n"
"""Which record of its row: 0 for the first, more for those of `also`."""
SHARES: Final = "_shares"
"""Whether a touchpoint shares daily spend."""
_TEXTS: Final = ("user_id", "channel", "event_type", "action_id", "policy_version", "segment")
_OTHER_TEXTS: Final = (
    *("signal", "command", "reason", "days", "command_id", "requested_by", "note"),
    *("timeout_days", "inactivity_hours"),
)
TYPES: Final = {
    FILE: "INTEGER",
    LINE: "BIGINT",
    PART: "BIGINT",
    NUMBER: "INTEGER",
    "kind": "VARCHAR",
    "journey_id": "VARCHAR",
    "touchpoint_id": "VARCHAR",
    "occurred_at": "BIGINT",
    **dict.fromkeys(_TEXTS, "VARCHAR"),
    "state": "VARCHAR",
    "cost_micros": "BIGINT",
    "conversion_probability": "DOUBLE",
    "conversion_value_micros": "BIGINT",
    "propensity": "DOUBLE",
    **dict.fromkeys(_OTHER_TEXTS, "VARCHAR"),
    "budget": "DOUBLE",
    SHARES: "BOOLEAN",
    FAULT: "VARCHAR",
}
"""Columns of a query's result, and their types."""


def rule_query(
    columns: Columns, mapping: Mapping, rule: Rule, source: str, condition: str, number: int, key: str
) -> str:
    """Query for the records that a rule makes of the rows of `source` for which `condition` holds."""
    with columns.layered() as layers:
        selected = _selected(columns, mapping, rule, number, key)
    rows = f"(SELECT * FROM {source} WHERE {condition})"
    return f"SELECT {selected} FROM {layers.over(rows)}"


def _selected(columns: Columns, mapping: Mapping, rule: Rule, number: int, key: str) -> str:
    fields = rule.fields.over(mapping.fields)
    made = _Made(columns, fields, key)
    values = {FILE: Value(FILE), LINE: Value(LINE), PART: Value(PART), NUMBER: Value(str(number))}
    values["kind"] = Value(literal(rule.record))
    values["journey_id"] = made.required("journey_id")
    at = fields.occurred_at
    if at is None:
        raise columns.fault(key, "occurred_at is missing")
    values["occurred_at"] = instant_value(columns, at, f"{key}.occurred_at")
    if rule.record in ("touchpoint", "registration"):
        values["user_id"] = made.text("user_id")
        values["segment"] = made.text("segment")
    if rule.record == "touchpoint":
        values |= _touchpoint(columns, mapping, fields, made, number, key)
    else:
        values |= {name: made.text(name) for name in _OTHER_TEXTS}
        if fields.command_id is None and rule.record in ("signal", "command"):
            values["command_id"] = Value(_row_id(columns, fields, number, key))
        if fields.budget is not None:
            budget = money_value(columns, fields.budget, f"{key}.budget", "budget")
            values["budget"] = Value(f"{budget.sql} / 1000000.0", budget.fault)
        if rule.record == "signal" and fields.signal is None:
            event = made.text("event_type").sql
            values["signal"] = Value(f"({_by_event(mapping, event, SIGNALS)})")
    faults = [value.fault for value in values.values() if value.fault != "NULL"]
    selected = [
        f"CAST({values[name].sql} AS {kind}) AS {name}" if name in values else f"NULL::{kind} AS {name}"
        for name, kind in TYPES.items()
        if name != FAULT
    ]
    fault = f"nullif(concat_ws('; ', {', '.join(faults)}), '')" if faults else "NULL"
    return f"{', '.join(selected)}, CAST({fault} AS VARCHAR) AS {FAULT}"


def _touchpoint(
    columns: Columns, mapping: Mapping, fields: Fields, made: _Made, number: int, key: str
) -> dict[str, Value]:
    values = {name: made.text(name) for name in ("channel", "event_type", "action_id", "policy_version")}
    values["touchpoint_id"] = Value(_row_id(columns, fields, number, key))
    state = made.text("state").sql
    event = values["event_type"].sql
    by_event = _by_event(mapping, event, STATES)
    if by_event != "NULL":
        state = f"coalesce({by_event}, {state})" if state != "NULL" else by_event
    names = ", ".join(map(literal, STATES))
    why = f"'state: ''' || left({state}, 80) || ''' is not allowed; expected one of {', '.join(STATES)}'"
    values["state"] = Value(state, f"CASE WHEN {state} NOT IN ({names}) THEN {why} END" if state != "NULL" else "NULL")
    values["cost_micros"] = cost_value(columns, fields.cost, values["channel"].sql, f"{key}.cost")
    if fields.conversion_value is not None:
        value = money_value(columns, fields.conversion_value, f"{key}.conversion_value", "conversion_value")
        values["conversion_value_micros"] = value
    for name in ("conversion_probability", "propensity"):
        text = made.text(name).sql
        if text != "NULL":
            values[name] = number_value(text, name)
    daily = fields.cost.daily if fields.cost is not None else None
    if daily is not None:
        shares = "true" if daily.events is None else f"{event} IN ({', '.join(map(literal, daily.events))})"
        values[SHARES] = Value(shares)
    return values


def event_conditions(mapping: Mapping, event: str) -> dict[str, str]:
    """Conditions for rows that `events` makes touchpoints, signals or nothing of, by `touchpoint`, `signal`, `skip`."""
    if not mapping.events:
        return {"touchpoint": "true"}
    others = mapping.events.get("*")
    found = {}
    for name, values in (("touchpoint", (*STATES, KEEP)), ("signal", tuple(SIGNALS)), ("skip", (SKIP,))):
        events = [one for one, value in mapping.events.items() if value in values and one != "*"]
        parts = [f"{event} IN ({', '.join(map(literal, events))})"] if events else []
        if others in values:
            named = [one for one in mapping.events if one != "*"]
            parts.append(f"coalesce({event} NOT IN ({', '.join(map(literal, named))}), true)" if named else "true")
        if parts:
            found[name] = " OR ".join(parts)
    return found


def _by_event(mapping: Mapping, event: str, allowed: tuple[str, ...] | dict[str, str]) -> str:
    cases = [(one, value) for one, value in mapping.events.items() if value in allowed and one != "*"]
    named = [one for one in mapping.events if one != "*"]
    text = " ".join(f"WHEN {event} = {literal(one)} THEN {literal(value)}" for one, value in cases)
    others = mapping.events.get("*")
    if others in allowed:
        condition = f"coalesce({event} NOT IN ({', '.join(map(literal, named))}), true)" if named else "true"
        text += f" WHEN {condition} THEN {literal(str(others))}"
    return f"CASE {text} END" if text else "NULL"


def _row_id(columns: Columns, fields: Fields, number: int, key: str) -> str:
    source = fields.touchpoint_id or Source(row_number=True)
    text = columns.of_source(source, f"{key}.touchpoint_id")
    own = columns.of_source(Source(row_number=True), key)
    found = text if source.row_number else f"coalesce({text}, {own})"
    return f"({found}) || ':{number + 1}'" if number else found


class _Made:
    """Texts of a rule's fields."""

    def __init__(self, columns: Columns, fields: Fields, key: str) -> None:
        self._columns = columns
        self._fields = fields
        self._key = key

    def text(self, name: str) -> Value:
        """Text of a field, null where it is absent."""
        source = getattr(self._fields, name)
        return Value("NULL" if source is None else self._columns.of_source(source, f"{self._key}.{name}"))

    def required(self, name: str) -> Value:
        """Text of a field that must not be absent."""
        source = getattr(self._fields, name)
        if source is None:
            raise self._columns.fault(self._key, f"{name} is missing")
        text = self.text(name).sql
        wanted = source.column or ", ".join(source.first or source.hash or ()) or "it"
        why = literal(f"{name}: nothing in {wanted}")
        return Value(text, f"CASE WHEN {text} IS NULL THEN {why} END")
