"""Histories without time of their own, and what the reference makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from journeys.agents.history.line_files import LineFile
from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant
from journeys.schemas.records import JourneyCommand, JourneyRecord, JourneyRegistered, JourneySignal, Touchpoint
from journeys.streams.compiled.backtest_tally import BacktestTally, tally_of
from journeys.streams.partition.driver import replay_unpunctuated
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from tests.properties.policies import POLICIES

# By name of a column, what a backtest and a replay both say of an abandonment.
COMPARED = (
    *("journey_id", "abandonment_reason", "state", "started_at", "last_touchpoint_at", "abandoned_at", "detected_at"),
    *("days_active", "touchpoint_count", "total_cost_micros", "penalty_amount_micros", "opportunity_cost_micros"),
)
_INSTANTS = ("started_at", "last_touchpoint_at", "abandoned_at", "detected_at")

SHARP = (
    DEFAULT_POLICY,
    *POLICIES,
    Policy.model_validate({"version": "odd-1", "penalty": {"decay": "0.123456789", "base_rate": "0.1499999999"}}),
    Policy.model_validate(
        {
            "version": "cheap-1",
            "limits": {"budget": "7"},
            "penalty": {"opportunity_rate": "0.333333333333", "default_conversion_value": "33.333333"},
            "cleanup": {"stale_data_days": "0.5"},
        }
    ),
)


def records_of(log: Iterable[Entry]) -> list[JourneyRecord]:
    """Records of journeys that a log of a topic holds; its punctuations, policies and bad records are left out."""
    kinds = (Touchpoint, JourneyRegistered, JourneySignal, JourneyCommand)
    return [entry.record for entry in log if isinstance(entry.record, kinds)]


def write_lines(records: Iterable[JourneyRecord], path: Path) -> Path:
    """Write records as lines that a replay reads."""
    path.write_text("".join(json.dumps(_line(record)) + "\n" for record in records), encoding="utf-8")
    return path


def _line(record: JourneyRecord) -> dict[str, Any]:
    line = {name: value for name, value in record._asdict().items() if value is not None}
    line["occurred_at"] = format_instant(record.occurred_at)
    for name in ("budget", "conversion_value"):
        if f"{name}_micros" in line:
            micros = line.pop(f"{name}_micros")
            line[name] = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    for name, given, unit in (
        ("timeout_days", "timeout_ms", DAY_MS),
        ("inactivity_hours", "inactivity_ms", HOUR_MS),
        ("days", "extend_by_ms", DAY_MS),
    ):
        if given in line:
            line[name] = line.pop(given) / unit
    kinds = {JourneyRegistered: "registration", JourneySignal: "signal", JourneyCommand: "command"}
    return {"kind": kinds.get(type(record), "touchpoint"), **line}


def read_lines(path: Path) -> list[JourneyRecord]:
    """Records of the lines of a file, all of them good: a duration in days need not come back as it was."""
    return [found[1] for found in LineFile(str(path)).records()]


def reference(
    records: Sequence[JourneyRecord], policy: Policy, until: int | None = None
) -> tuple[BacktestTally, list[tuple[Any, ...]]]:
    """Tally and abandonments, in order, that a replay through the pure core gives."""
    effects = list(replay_unpunctuated(enumerate(records, start=1), policy=policy, until=until))
    found = [tuple(getattr(one, name) for name in COMPARED) for batch in effects for one in batch.abandonments]
    return tally_of(effects), sorted(found, key=itemgetter(0, 3))


def abandonments_of(tables: Iterable[pa.Table]) -> list[tuple[Any, ...]]:
    """Abandonments of a backtest, in the same form and order."""
    found = []
    for table in tables:
        columns = [
            table[name].cast(pa.int64()).to_pylist() if name in _INSTANTS else table[name].to_pylist()
            for name in COMPARED
        ]
        found += list(zip(*columns, strict=True))
    return sorted(found, key=itemgetter(0, 3))
