"""A proposed policy as a file with comments, and what was found as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from journeys.cli.json_fields import json_instant
from journeys.cli.screen import new_table
from journeys.cli.views.backtest_table import comparison_json
from journeys.cli.views.policy_text import policy_toml
from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant
from journeys.schemas.printable import printable

if TYPE_CHECKING:
    from journeys.agents.history.time_check import RuleFigures, TimeCheck
    from journeys.agents.history.timeout_proposal import ProposedPolicy
    from journeys.analytics.promise import Promise
    from journeys.analytics.proposal import ProposedSegment, Request
    from journeys.analytics.survival import Share

# Of fewer that were watched for the horizon no share is told.
FEWEST_MATURE: Final = 30
_RULE: Final = "[[deadlines.by]]"


def proposal_toml(made: ProposedPolicy) -> str:
    """The policy file. Comments say what was asked, what was seen of each segment, and as of when."""
    lines = [f"# {line}" for line in _heading(made)]
    rules = iter(zip(made.proposal.segments, made.by_rule, strict=True))
    for line in policy_toml(made.policy).splitlines():
        if line == "[deadlines]":
            lines.append("# Timeout and cap cut no threshold until this history has doubled.")
            if not made.policy.deadlines.by:
                lines += [f"# {one}" for one in _seen(*next(rules), made.proposal.request)]
        elif line == "[cleanup]":
            lines += [
                "# Longer than the horizon, so that each return is seen as one, and than this history, twice:",
                "# touchpoints of all its episodes count. Each ended journey stays in the table for so long.",
            ]
        elif line == _RULE:
            lines += [f"# {one}" for one in _seen(*next(rules), made.proposal.request)]
        lines.append(line)
    return "\n".join(lines) + "\n"


def _heading(made: ProposedPolicy) -> list[str]:
    proposal = made.proposal
    return [
        f"Proposed by journeys policy propose as of {format_instant(proposal.as_of)},",
        f"from {proposal.silences:,} silences of {proposal.journeys:,} journeys.",
        f"Asked for: {asked_for(proposal.request)}.",
        "Shares wrong: of the abandonments of a backtest of the whole file, by Kaplan-Meier with their 95% interval.",
        "It holds as long as journeys are like those (docs/timeouts.md): propose again from newer history.",
    ]


def asked_for(request: Request) -> str:
    """What was asked for, as a phrase."""
    horizon = f"a horizon of {_number(request.horizon_ms / DAY_MS)} days"
    if request.price_ms is not None:
        return f"a wrong abandonment costs {_number(request.price_ms / DAY_MS)} days of waiting, {horizon}"
    return f"at most {request.wrong_at_most:.1%} wrong with {request.confidence:.1%} confidence, {horizon}"


def _seen(segment: ProposedSegment, figures: RuleFigures, request: Request) -> list[str]:
    waiting, horizon = (_number(one / DAY_MS) for one in (segment.waiting_ms, request.horizon_ms))
    lines = [
        f"{segment.silences:,} silences of {segment.journeys:,} journeys, on average {waiting} days of waiting.",
        f"Backtest: {figures.abandonments:,} abandonments, wrong within {horizon} days: {wrong_share(figures)};",
        f"{figures.mature:,} were watched for so long, {figures.open:,} are still open.",
    ]
    if segment.promise is not None:
        lines.append(promised(segment.promise, request))
    if segment.threshold_ms >= request.horizon_ms and request.price_ms is not None:
        lines.append("At this price it pays to wait for the whole horizon: longer was not looked at.")
    return lines


def promised(tested: Promise, request: Request) -> str:
    """What the tests of a segment came to, as a sentence."""
    limit = f"{request.wrong_at_most:.1%}"
    if tested.kept is not None:
        kept = tested.kept
        return (
            f"Promised: at most {limit}; of one silence each of {kept.journeys:,} journeys {kept.share:.1%} were wrong."
        )
    failed = tested.failed
    days = _number(request.horizon_ms / DAY_MS)
    if failed is None or failed.journeys == 0:
        return f"No promise: nobody was watched through {days} days of silence and {days} more."
    silent = _number(failed.threshold_ms / DAY_MS)
    return (
        f"No promise: after {silent} days of silence {failed.share:.1%} came back within {days} days, of one silence "
        f"each of {failed.journeys:,} journeys: not below {limit} with confidence."
    )


def wrong_share(figures: RuleFigures) -> str:
    """The share with its interval; words where too few were watched."""
    if figures.wrong is None or figures.mature < FEWEST_MATURE:
        return "(not enough seen yet)"
    return shown_share(figures.wrong)


def shown_share(share: Share) -> str:
    """A share with its interval."""
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def segment_table(made: ProposedPolicy) -> Table:
    """The rules, each a line."""
    columns = (
        "hours",
        "days",
        "silences",
        "days waited",
        "abandonments",
        "wrong within the horizon",
        "watched",
        "open",
    )
    title = f"{made.policy.version}, as of {format_instant(made.proposal.as_of)}"
    table = new_table("rule", *columns, title=title, right=columns)
    names = rule_names(made)
    for name, segment, figures in zip(names, made.proposal.segments, made.by_rule, strict=True):
        table.add_row(
            name,
            f"{segment.threshold_ms / HOUR_MS:,.2f}",
            f"{segment.threshold_ms / DAY_MS:,.2f}",
            f"{segment.silences:,}",
            f"{segment.waiting_ms / DAY_MS:,.2f}",
            f"{figures.abandonments:,}",
            wrong_share(figures),
            f"{figures.mature:,}",
            f"{figures.open:,}",
        )
    return table


def rule_names(made: ProposedPolicy) -> list[str]:
    """Names of the rules of the segments."""
    return [rule.name for rule in made.policy.deadlines.by] or ["all"]


def check_table(check: TimeCheck, request: Request) -> Table:
    """The proposal next to other thresholds, on later silences."""
    columns = ("days", "extra cost", "cost, days", "days waited", "wrong of 100 silences", "abandoned")
    shown = columns if request.price_ms is not None else columns[:1] + columns[3:]
    title = (
        f"learned before {format_instant(check.begin_at)}, judged on {check.silences:,} silences begun from then until "
        f"{format_instant(check.until)}"
    )
    table = new_table("threshold", *shown, title=title, right=shown)
    for row in check.rows:
        cells = {
            "days": "-" if row.threshold_ms is None else f"{row.threshold_ms / DAY_MS:,.2f}",
            "extra cost": "-" if row.extra is None else f"{row.extra:+.1%}",
            "cost, days": "-" if row.cost_ms is None else f"{row.cost_ms / DAY_MS:,.3f}",
            "days waited": f"{row.waiting_ms / DAY_MS:,.3f}",
            "wrong of 100 silences": f"{100 * row.wrong:,.1f}",
            "abandoned": f"{row.abandonments:,}",
        }
        table.add_row(row.name, *(cells[name] for name in shown))
    return table


def proposal_json(made: ProposedPolicy) -> dict[str, Any]:
    """The same for --json."""
    proposal, check = made.proposal, made.check
    rules = [
        {
            "rule": name,
            "inactivity_ms": segment.threshold_ms,
            "silences": segment.silences,
            "journeys": segment.journeys,
            "waiting_ms": round(segment.waiting_ms),
            "promise": None if segment.promise is None else _promise_json(segment.promise, proposal.request),
            **_figures_json(figures),
        }
        for name, segment, figures in zip(rule_names(made), proposal.segments, made.by_rule, strict=True)
    ]
    return {
        "version": made.policy.version,
        "as_of": json_instant(proposal.as_of),
        "silences": proposal.silences,
        "journeys": proposal.journeys,
        "is_refused": proposal.is_refused,
        "rules": rules,
        "backtest": comparison_json([made.policy, made.present], [made.tally, made.present_tally])["policies"],
        "check": None if check is None else _check_json(check),
    }


def _promise_json(tested: Promise, request: Request) -> dict[str, Any]:
    shown = tested.kept or tested.failed
    return {
        "is_kept": tested.kept is not None,
        "tested_journeys": 0 if shown is None else shown.journeys,
        "tested_wrong": 0 if shown is None else shown.wrong,
        "text": promised(tested, request),
    }


def _figures_json(figures: RuleFigures) -> dict[str, Any]:
    told = figures.wrong is not None and figures.mature >= FEWEST_MATURE
    share = figures.wrong if told else None
    return {
        "abandonments": figures.abandonments,
        "mature": figures.mature,
        "open": figures.open,
        "wrong": None if share is None else {"share": share.value, "low": share.low, "high": share.high},
    }


def _check_json(check: TimeCheck) -> dict[str, Any]:
    return {
        "begin_at": json_instant(check.begin_at),
        "until": json_instant(check.until),
        "silences": check.silences,
        "thresholds": [
            {
                "name": row.name,
                "inactivity_ms": row.threshold_ms,
                "extra_cost": row.extra,
                "cost_ms": None if row.cost_ms is None else round(row.cost_ms),
                "waiting_ms": round(row.waiting_ms),
                "wrong_share": row.wrong,
                "abandonments": row.abandonments,
            }
            for row in check.rows
        ],
        "rules": [_figures_json(figures) for figures in check.by_rule],
    }


def refusals(made: ProposedPolicy) -> list[str]:
    """A line for each segment without a promise."""
    return [
        f"{printable(name)}: {promised(segment.promise, made.proposal.request)}"
        for name, segment in zip(rule_names(made), made.proposal.segments, strict=True)
        if segment.promise is not None and segment.is_refused
    ]


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
