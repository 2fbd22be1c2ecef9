"""A comparison of policies: as a table, and as JSON.

A few policies stand side by side with all measures below them. Of many each is a line, with the measures that decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from journeys.cli.screen import new_table
from journeys.schemas.instants import HOUR_MS, SECOND_MS
from journeys.schemas.money import format_dollars
from journeys.schemas.records import REASONS
from journeys.streams.compiled.backtest_tally import BacktestTally
from journeys.streams.rule.policy import Policy

_NOTHING = "-"
_SIDE_BY_SIDE: Final = 5
_OF_MANY: Final = ("lost", "back", "share", "on spend", "opportunity", "by default", "hours", "open")


def comparison(policies: Sequence[Policy], tallies: Sequence[BacktestTally]) -> Table:
    """Table of the tallies."""
    if len(policies) > _SIDE_BY_SIDE:
        return _of_many(policies, tallies)
    versions = [policy.version for policy in policies]
    table = new_table("", *versions, title="backtest", right=versions)

    def row(name: str, cell: Callable[[BacktestTally], str], *, end: bool = False) -> None:
        table.add_row(name, *map(cell, tallies), end_section=end)

    row("journeys", lambda tally: f"{tally.journeys:,}")
    row("episodes", lambda tally: f"{tally.episodes:,}", end=True)
    for number, reason in enumerate(REASONS):
        if any(tally.abandonments[number] for tally in tallies):
            row(reason, lambda tally, number=number: f"{tally.abandonments[number]:,}")  # type: ignore[misc]
    row("abandonments", lambda tally: f"{sum(tally.abandonments):,}", end=True)
    row("penalty, dollars", lambda tally: format_dollars(tally.total_penalty_micros))
    row("on spend", lambda tally: format_dollars(sum(tally.penalty_micros)))
    row("opportunity", lambda tally: format_dollars(sum(tally.opportunity_micros)))
    row("of that by defaults", lambda tally: format_dollars(sum(tally.assumed_micros)))
    row("mean of an abandonment", _mean_penalty, end=True)
    row("conversions", lambda tally: f"{tally.conversions:,}")
    row("returns: wrongly abandoned", lambda tally: f"{tally.returns:,}")
    row("share of abandonments", _returned_share)
    row("their penalty, dollars", lambda tally: format_dollars(tally.returned_penalty_micros))
    row("returns that converted", lambda tally: f"{tally.returns_converted:,}", end=True)
    row("hours from last sign to detection", lambda tally: _mean(tally.silence_ms, tally, HOUR_MS))
    row("seconds from deadline to detection", lambda tally: _mean(tally.detection_ms, tally, SECOND_MS))
    row("still open", lambda tally: f"{tally.open:,}", end=True)
    row("late", lambda tally: f"{tally.late:,}")
    row("duplicates", lambda tally: f"{tally.duplicates:,}")
    row("refused", lambda tally: f"{tally.refused:,}")
    return table


def _of_many(policies: Sequence[Policy], tallies: Sequence[BacktestTally]) -> Table:
    """A line for each policy."""
    table = new_table("policy", *_OF_MANY, title="backtest", right=_OF_MANY)
    for policy, tally in zip(policies, tallies, strict=True):
        table.add_row(
            policy.version,
            f"{sum(tally.abandonments):,}",
            f"{tally.returns:,}",
            _returned_share(tally),
            format_dollars(sum(tally.penalty_micros)),
            format_dollars(sum(tally.opportunity_micros)),
            format_dollars(sum(tally.assumed_micros)),
            _mean(tally.silence_ms, tally, HOUR_MS),
            f"{tally.open:,}",
        )
    return table


def comparison_json(policies: Sequence[Policy], tallies: Sequence[BacktestTally]) -> dict[str, Any]:
    """The same for --json: counts and sums, from which the means of the table follow."""
    return {"policies": [_tally_json(*each) for each in zip(policies, tallies, strict=True)]}


def _tally_json(policy: Policy, tally: BacktestTally) -> dict[str, Any]:
    values = asdict(tally)
    for name in ("abandonments", "penalty_micros", "opportunity_micros", "assumed_micros"):
        values[name] = dict(zip(REASONS, values[name], strict=True))
    return {"version": policy.version, **values, "total_penalty_micros": tally.total_penalty_micros}


def _mean_penalty(tally: BacktestTally) -> str:
    count = sum(tally.abandonments)
    return format_dollars(round(tally.total_penalty_micros / count)) if count else _NOTHING


def _returned_share(tally: BacktestTally) -> str:
    count = sum(tally.abandonments)
    return f"{tally.returns / count:.1%}" if count else _NOTHING


def _mean(total_ms: int, tally: BacktestTally, unit_ms: int) -> str:
    count = sum(tally.abandonments)
    return f"{total_ms / count / unit_ms:,.1f}" if count else _NOTHING
