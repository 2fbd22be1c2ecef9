"""A proposal as a policy: rules by segment, and durations that cut none of their thresholds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from journeys.analytics.proposal import MOST_DAYS, Proposal, ProposedSegment, conditions_of
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.streams.rule.deadlines import MOST_RULES
from journeys.streams.rule.policy import Policy, policy_of_tables

_NAME_LABELS = 2
_NAME_LABEL_LENGTH = 40


def policy_of(proposal: Proposal, base: Policy, version: str, *, span_ms: int) -> Policy:
    """The proposed policy; what is no deadline and no cleanup is as in `base`.

    The history spans `span_ms`. Timeout and cap cut no episode before it has doubled. Raises InvalidPolicyError.
    """
    longest_days = min(-(-(2 * span_ms + proposal.longest_ms) // DAY_MS), MOST_DAYS)
    tables = base.model_dump(exclude_none=True)
    rules = proposed_rules(proposal)
    deadlines = {
        "timeout_days": Decimal(longest_days),
        "inactivity_hours": hours(proposal.threshold_ms),
        "max_journey_duration_days": Decimal(longest_days),
        "grace_seconds": base.deadlines.grace_seconds,
        "by": rules,
    }
    cleanup = tables["cleanup"] | {"stale_data_days": days(proposal.cleanup_ms)}
    return policy_of_tables(tables | {"version": version, "deadlines": deadlines, "cleanup": cleanup})


def one_threshold(base: Policy, version: str, threshold_ms: int, *, longest_days: int, cleanup_ms: int) -> Policy:
    """The policy with one threshold for all journeys, for comparison."""
    tables = base.model_dump(exclude_none=True)
    deadlines = {
        "timeout_days": Decimal(longest_days),
        "inactivity_hours": hours(threshold_ms),
        "max_journey_duration_days": Decimal(longest_days),
        "grace_seconds": base.deadlines.grace_seconds,
    }
    cleanup = tables["cleanup"] | {"stale_data_days": days(cleanup_ms)}
    return policy_of_tables(tables | {"version": version, "deadlines": deadlines, "cleanup": cleanup})


def proposed_rules(proposal: Proposal) -> list[dict[str, Any]]:
    """Rules of the segments, in order; none where one threshold is for all."""
    if _is_for_all(proposal):
        return []
    assert len(proposal.segments) <= MOST_RULES
    names: list[str] = []
    rules = []
    for segment in proposal.segments:
        conditions = conditions_of(segment.box, proposal.labels)
        name = segment_name(proposal, segment)
        names.append(name)
        rule: dict[str, Any] = {
            "name": name if names.count(name) == 1 else f"{name} ({names.count(name)})",
            "inactivity_hours": hours(segment.threshold_ms),
            "state": conditions.states or None,
            "segment": conditions.labels or None,
            "touchpoints_from": conditions.touchpoints_from,
            "touchpoints_to": conditions.touchpoints_to,
        }
        rules.append({key: value for key, value in rule.items() if value is not None})
    return rules


def _is_for_all(proposal: Proposal) -> bool:
    if len(proposal.segments) != 1 or proposal.segments[0].threshold_ms != proposal.threshold_ms:
        return False
    conditions = conditions_of(proposal.segments[0].box, proposal.labels)
    return not (conditions.states or conditions.labels or conditions.touchpoints_from or conditions.touchpoints_to)


def segment_name(proposal: Proposal, segment: ProposedSegment) -> str:
    """Name of a segment's rule, such as "3 to 8 touchpoints, INTENT"."""
    conditions = conditions_of(segment.box, proposal.labels)
    least, most = conditions.touchpoints_from or 1, conditions.touchpoints_to
    if most is None:
        parts = [] if least == 1 else [f"{least} touchpoints or more"]
    elif least == most:
        parts = [f"{least} touchpoint{'s' if least > 1 else ''}"]
    else:
        parts = [f"{least} to {most} touchpoints"]
    if conditions.states:
        parts.append(" or ".join(conditions.states))
    if conditions.labels:
        shown = [label[:_NAME_LABEL_LENGTH] for label in conditions.labels[:_NAME_LABELS]]
        more = len(conditions.labels) - len(shown)
        parts.append("segment " + " or ".join(shown) + (f" or {more} more" if more else ""))
    elif proposal.labels and len(segment.box.labels) <= len(proposal.labels):
        parts.append("any other segment")
    return ", ".join(parts) or "all"


def hours(milliseconds: int) -> Decimal:
    """Hours, exact."""
    return Decimal(milliseconds) / HOUR_MS


def days(milliseconds: int) -> Decimal:
    """Days, exact."""
    return Decimal(milliseconds) / DAY_MS
