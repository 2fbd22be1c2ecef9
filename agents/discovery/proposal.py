"""A mapping for files that nobody described: from what their columns look like, with comments for people."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from journeys.agents.discovery.columns import Seen, top_values
from journeys.agents.discovery.roles import Roles, plain_name
from journeys.agents.discovery.times import TimeForm
from journeys.agents.files.raw_table import RawTable, literal

# The first that matches decides. Order matters: begin_checkout is no purchase, page_view no impression.
_STATES: Final = (
    ("skip", r"refund|cancel|return(ed)?$|chargeback|unsubscri|error|bounce|void|failed|delete"),
    (
        "INTENT",
        r"cart|basket|checkout|payment_info|wishlist|trial|quote|lead|apply|application|reserve|begin_|form_submit",
    ),
    (
        "CONVERTED",
        r"purchase|order|^buy|bought|transaction|convert|conversion|payment|paid|subscribe|install|booking|sale",
    ),
    ("CONVERTED", r"^(completed?|processing|fulfilled|shipped|delivered|succeeded|captured)$"),
    (
        "CONSIDERING",
        r"click|item|product|detail|search|video|download|sign_?up|regist|compare|favou?rit|login|select|engage",
    ),
    ("AWARE", r"view|visit|impression|imp$|show|open|session|landing|email|sent|screen|page|ad|start|first"),
)
_MOST_EVENTS: Final = 60


class Proposal(NamedTuple):
    """A mapping as TOML text, and the state or use proposed for each event, with its rows."""

    toml: str
    events: list[tuple[str, int, str]]
    missing: list[str]
    """What the files do not hold, and what stands in for it."""


def state_of_event(event: str) -> str:
    """The state that an event's name suggests; `keep` where it suggests none."""
    name = re.sub(r"[^a-z0-9]+", "_", event.lower())
    return next((state for state, pattern in _STATES if re.search(pattern, name)), "keep")


def propose(table: RawTable, roles: Roles, time: TimeForm | None, texts: dict[str, str]) -> Proposal:
    """A mapping for a table; `texts` gives the SQL of columns by name."""
    fields = roles.fields
    lines = ["# Written by journeys inspect: a beginning. Look through it, above all the states of the events.", ""]
    missing: list[str] = []
    lines += _file_lines(table)
    lines += ["[fields]", *_id_lines(roles, missing), *_time_lines(fields, time, missing)]
    events = _events(table, roles, texts)
    lines += _event_lines(fields, roles, missing)
    lines += _money_lines(fields, missing)
    for name in ("conversion_probability", "propensity", "action_id"):
        if name in fields:
            lines.append(f"{name} = {_quoted(fields[name].name)}")
    if "state" in fields:
        lines.append(f"state = {_quoted(fields['state'].name)}")
    if "segment" in fields:
        lines.append(f"# segment = {_quoted(fields['segment'].name)}  # a label that policies can ask for")
    if events and "state" not in fields:
        lines += [
            "",
            "# A state (UNAWARE, AWARE, CONSIDERING, INTENT, CONVERTED), keep, skip, or a signal that ends a journey",
        ]
        lines += [
            "# (competitor_conversion, budget_exhausted, fatigue). Events that are not here are listed and left out.",
            "[events]",
        ]
        lines += [f"{_quoted(event)} = {_quoted(state)}  # {rows:,} rows" for event, rows, state in events]
        if not any(state == "CONVERTED" for _, _, state in events):
            missing.append(
                "a conversion: no event looks like one; set it to CONVERTED where it is, or add rows that hold them"
            )
    return Proposal("\n".join(lines) + "\n", events, missing)


def _file_lines(table: RawTable) -> list[str]:
    lines = []
    for name, delimiter in table.delimiters.items():
        if table.headers.get(name, 1) is None:
            lines.append("header = false")
            lines.append(f"columns = {json.dumps(list(table.columns))}  # names of your own, in their order")
        if delimiter != ",":
            lines.append(f"delimiter = {json.dumps(delimiter)}")
        break
    return ["[file]", *lines, ""] if lines else []


def _id_lines(roles: Roles, missing: list[str]) -> list[str]:
    lines = []
    fields = roles.fields
    if "journey_id" in fields:
        who = fields["journey_id"]
        more = roles.more["journey_id"]
        names = _first_of([who, *more])
        lines.append(f"journey_id = {names}  # whose row it is; about {who.distinct:,} of them")
        lines.append(
            f"user_id = {_quoted(who.name)}" if not more else f"user_id = {{ first = {names}, optional = true }}"
        )
        if plain_name(who.name) in ("sessionid", "session", "usersession", "visitid"):
            missing.append("a visitor: a session ends when the visit does; a column that stays with a person is better")
        if who.values < who.rows and not more:
            missing.append(
                f"journey_id in {who.rows - who.values:,} rows: they are bad lines, or give a second column: [a, b]"
            )
    else:
        missing.append("journey_id: no column looks like a person, a browser or a device; name one, or hash several")
        lines.append('journey_id = "???"  # whose row it is: a column, or { hash = ["a", "b"] } of several')
    if "touchpoint_id" in fields:
        lines.append(f"touchpoint_id = {_quoted(fields['touchpoint_id'].name)}")
    else:
        missing.append("touchpoint_id: no column is different in each row; file and line stand in for it")
        lines.append(
            "touchpoint_id = { row_number = true }  # file and line; a hash of columns recognises repeated rows"
        )
    return lines


def _time_lines(fields: dict[str, Seen], time: TimeForm | None, missing: list[str]) -> list[str]:
    if "occurred_at" not in fields or time is None:
        missing.append("occurred_at: no column looks like a time")
        return ['occurred_at = "???"  # when it happened']
    hours = fields.get("time_of_day")
    name = fields["occurred_at"].name
    if hours is None:
        parts = [f"column = {_quoted(name)}"]
    else:
        day = _column(fields["occurred_at"])
        parts = [f"expression = {_quoted(' '.join((day, '||', literal(' '), '||', _column(hours))))}"]
    if time.unit is not None:
        parts.append(f'unit = "{time.unit}"')
    if time.format is not None:
        parts.append(f"format = {_quoted(time.format)}")
    if time.counts_from:
        parts.append('since = "2026-01-01T00:00:00Z"')
        missing.append("a date: times count from a beginning that nothing says; 2026-01-01 stands in for it")
    if time.needs_zone:
        parts.append('zone = "UTC"')
        missing.append("the zone of the times: UTC stands in for it; say where the clock stood, such as Europe/Berlin")
    return [f"occurred_at = {{ {', '.join(parts)} }}  # {time.text}"]


def _event_lines(fields: dict[str, Seen], roles: Roles, missing: list[str]) -> list[str]:
    lines = []
    if "event_type" in fields:
        lines.append(f"event_type = {_first_of([fields['event_type'], *roles.more['event_type']])}")
    elif roles.converted is not None or roles.clicked is not None:
        lines.append(f"event_type = {{ expression = {_quoted(_flag_expression(roles))} }}")
    elif "state" not in fields:
        is_order = "conversion_value" in fields
        state = "CONVERTED" if is_order else "AWARE"
        lines.append(f'state = {{ constant = "{state}" }}  # no column says what happened')
        if is_order:
            missing.append("visits or clicks: each row is taken for an order, and orders alone hold nothing to abandon")
        else:
            missing.append("what happened: no column of events; every touchpoint is AWARE")
            missing.append("conversions: nothing here is one, so that every journey ends as abandoned")
    if "channel" in fields:
        lines.append(f"channel = {_quoted(fields['channel'].name)}")
    else:
        missing.append("channel: reports by channel show none")
    return lines


def _flag_expression(roles: Roles) -> str:
    cases = []
    if roles.converted is not None:
        cases.append(f"WHEN TRY_CAST({_column(roles.converted)} AS DOUBLE) > 0 THEN 'conversion'")
    if roles.clicked is not None:
        cases.append(f"WHEN TRY_CAST({_column(roles.clicked)} AS DOUBLE) > 0 THEN 'click'")
    return f"CASE {' '.join(cases)} ELSE 'impression' END"


def _events(table: RawTable, roles: Roles, texts: dict[str, str]) -> list[tuple[str, int, str]]:
    column = roles.fields.get("event_type")
    if column is not None:
        found = [texts[one.name] for one in (column, *roles.more["event_type"])]
        text = found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
    elif roles.converted is not None or roles.clicked is not None:
        text = f"({_flag_expression(roles)})"
    else:
        return []
    return [(event, rows, state_of_event(event)) for event, rows in top_values(table, text, _MOST_EVENTS)]


def _money_lines(fields: dict[str, Seen], missing: list[str]) -> list[str]:
    lines = []
    if "cost" in fields:
        lines.append(
            f'cost = {{ {_amount(fields["cost"])} }}  # dollars; unit = "cents" or "micros", rate = 1.08 of a currency'
        )
    else:
        lines.append(
            "cost = 0  # by_channel = { search = 0.5 }, or daily spend from a file of its own: docs/your-data.md"
        )
        missing.append(
            "cost: touchpoints cost 0; give it by channel or by day, else penalties rest on conversion values alone"
        )
    if "conversion_value" in fields:
        lines.append(f"conversion_value = {{ {_amount(fields['conversion_value'])} }}")
    else:
        missing.append("conversion_value: the policy's default of 100 dollars stands in for it")
    return lines


def _first_of(columns: list[Seen]) -> str:
    names = [_quoted(column.name) for column in columns]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _amount(column: Seen) -> str:
    comma = any("," in sample for sample in column.samples) and column.numbers < 0.8
    mark = ', decimal_mark = ","' if comma else ""
    unit = ', unit = "micros"' if plain_name(column.name).endswith("micros") else ""
    return f"column = {_quoted(column.name)}, round = true{unit}{mark}"


def _column(column: Seen) -> str:
    return '"' + column.name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    """A text as TOML takes it."""
    return json.dumps(text, ensure_ascii=False)
