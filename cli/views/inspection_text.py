"""What an inspection found: as text for people, and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from journeys.agents.discovery.inspection import Inspection
from journeys.agents.discovery.outcome import QUANTILES, Outcome
from journeys.cli.json_fields import json_instant
from journeys.cli.output import print_line
from journeys.cli.screen import Screen, new_table
from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant
from journeys.schemas.money import format_dollars
from journeys.streams.rule.policy import Policy

_SHOWN_SAMPLES = 2
_CLOCKS = {60_000: "whole minutes", HOUR_MS: "whole hours", DAY_MS: "whole days"}


def print_inspection(found: Inspection, policy: Policy) -> None:
    """Print it."""
    for file in found.files:
        print_line(f"{file.name}: {_format(found, file.name, file.format, file.compression, file.encoding)}")
    print_line(
        f"{found.rows:,} rows, {found.bad_rows:,} of them unreadable more, {len(found.columns):,} columns and paths"
    )
    roles = {column: field for field, column in found.roles.items()}
    table = new_table(
        "column", "perhaps", "filled", "different", "samples", title="columns", right=["filled", "different"]
    )
    for one in found.columns:
        filled = f"{one.values / one.rows:.0%}" if one.rows else "-"
        shown = " | ".join(sample[:24] for sample in one.samples[:_SHOWN_SAMPLES])
        table.add_row(one.name, roles.get(one.name, ""), filled, f"{one.distinct:,}", shown)
    Screen().print(table)
    if found.time is not None:
        print_line(f"times ({found.roles['occurred_at']}): {found.time.text}")
    if found.preset is not None:
        print_line(f"these columns are those of the preset {found.preset}: --map {found.preset}")
    elif found.is_line_format:
        print_line("these columns are those of the line format (docs/lines.md): no mapping is needed")
    if found.preset is None and found.proposal.events:
        events = new_table("event", "rows", "proposed", title="events", right=["rows"])
        for event, rows, state in found.proposal.events:
            events.add_row(event, f"{rows:,}", state)
        Screen().print(events)
    if found.outcome is not None:
        _print_outcome(found.outcome, policy)
    if found.why_not is not None:
        print_line(f"the mapping can't be applied yet: {found.why_not}")
    if found.not_taken:
        listed = ", ".join(f"{one.what} {one.rows:,}" for one in found.not_taken)
        print_line(f"taken by no rule: {listed}")
    if found.preset is None and not found.is_line_format:
        for text in found.proposal.missing:
            print_line(f"missing: {text}")


def _print_outcome(outcome: Outcome, policy: Policy) -> None:
    table = new_table("", "with this mapping", title="records", right=["with this mapping"])

    def row(name: str, value: str) -> None:
        table.add_row(name, value)

    row("records", f"{outcome.records:,}")
    row("rows with a value that can't be taken", f"{outcome.faults:,}")
    row("journeys", f"{outcome.journeys:,}")
    if outcome.first_at is not None and outcome.last_at is not None:
        row("first", format_instant(outcome.first_at))
        row("last", format_instant(outcome.last_at))
        row("days", f"{(outcome.last_at - outcome.first_at) / DAY_MS:,.1f}")
    row("out of the order of time (they are sorted)", f"{outcome.behind:,}")
    row("ids that a journey had before", f"{outcome.duplicates:,}")
    row("conversions", f"{outcome.conversions:,}")
    row("of them with a value", f"{outcome.values:,}")
    row("value, dollars", format_dollars(outcome.value_micros))
    row("spend, dollars", format_dollars(outcome.spend_micros))
    Screen().print(table)
    for text, rows in outcome.shown_faults:
        print_line(f"{rows:,} rows: {text}")
    if outcome.silences:
        silences = new_table(
            "share of silences", "hours at most", title="silences between a journey's records", right=["hours at most"]
        )
        for share, hours in zip(QUANTILES, outcome.quantiles_hours, strict=True):
            silences.add_row(f"{share:.0%}", f"{hours:,.1f}")
        Screen().print(silences)
        for name, limit_ms, count in (
            ("inactivity", policy.inactivity_ms, outcome.above_inactivity),
            ("timeout", policy.timeout_ms, outcome.above_timeout),
            ("cleanup", policy.cleanup_ms, outcome.above_cleanup),
        ):
            share = count / outcome.silences
            print_line(f"{count:,} silences ({share:.1%}) are longer than the policy's {name} of {_duration(limit_ms)}")
        if outcome.above_cleanup:
            print_line(
                "after the cleanup period a journey is forgotten: who comes back then begins anew, and is no return"
            )
    if outcome.clock_ms and outcome.records:
        print_line(
            f"all times are {_CLOCKS[outcome.clock_ms]}: what a journey does within one has no order but that of the "
            "files, and what stands behind a conversion of the same time is late"
        )
    if outcome.records and outcome.conversions == outcome.records:
        print_line("each record is a conversion: nothing can be abandoned; read orders together with visits or clicks")


def inspection_json(found: Inspection, written: Path | None) -> dict[str, Any]:
    """The same for --json."""
    outcome = found.outcome
    return {
        "files": [
            {"name": file.name, "format": file.format, "compression": file.compression, "encoding": file.encoding}
            for file in found.files
        ],
        "rows": found.rows,
        "unreadable_rows": found.bad_rows,
        "columns": [
            {
                "name": one.name,
                "type": one.kind,
                "field": next((field for field, column in found.roles.items() if column == one.name), None),
                "values": one.values,
                "distinct": one.distinct,
                "samples": list(one.samples),
            }
            for one in found.columns
        ],
        "times": None if found.time is None else found.time.text,
        "preset": found.preset,
        "line_format": found.is_line_format,
        "events": [{"event": event, "rows": rows, "proposed": state} for event, rows, state in found.proposal.events],
        "missing": found.proposal.missing,
        "why_not": found.why_not,
        "not_taken": [{"what": one.what, "rows": one.rows} for one in found.not_taken],
        "outcome": None if outcome is None else _outcome_json(outcome),
        "mapping": None if written is None else str(written),
    }


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "records": outcome.records,
        "faults": outcome.faults,
        "journeys": outcome.journeys,
        "first_at": json_instant(outcome.first_at),
        "last_at": json_instant(outcome.last_at),
        "behind": outcome.behind,
        "duplicates": outcome.duplicates,
        "conversions": outcome.conversions,
        "values": outcome.values,
        "value_micros": outcome.value_micros,
        "spend_micros": outcome.spend_micros,
        "silences": outcome.silences,
        "silence_hours": {
            f"{share:g}": hours for share, hours in zip(QUANTILES, outcome.quantiles_hours, strict=False)
        },
        "silences_above_inactivity": outcome.above_inactivity,
        "silences_above_timeout": outcome.above_timeout,
        "silences_above_cleanup": outcome.above_cleanup,
    }


def _format(found: Inspection, name: str, format_: str, compression: str | None, encoding: str | None) -> str:
    parts = [{"csv": "CSV", "jsonl": "JSON lines", "json": "JSON", "parquet": "Parquet"}[format_]]
    if name in found.delimiters:
        delimiter = found.delimiters[name]
        shown = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}.get(delimiter, delimiter)
        parts.append(f"delimiter {shown}")
        line = found.headers.get(name)
        parts.append("no header" if line is None else f"header in line {line}")
    if encoding is not None:
        parts.append(encoding)
    parts.append(f"packed with {compression}" if compression else "not packed")
    return ", ".join(parts)


def _duration(ms: int) -> str:
    return f"{ms / DAY_MS:g} days" if ms % DAY_MS == 0 and ms >= 7 * DAY_MS else f"{ms / HOUR_MS:g} hours"
