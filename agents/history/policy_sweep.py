"""Policies that differ in their durations alone, for a comparison of many."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Final

from journeys.streams.rule.policy import InvalidPolicyError, Policy, policy_of_tables

MOST_POLICIES: Final = 500


def durations_of(text: str) -> list[Decimal]:
    """Numbers of a text like 24,48,72. Raises InvalidPolicyError for one that is none."""
    found = []
    for part in text.split(","):
        try:
            found.append(Decimal(part.strip()))
        except InvalidOperation:
            raise InvalidPolicyError(f"{part.strip()[:80]!r} is no number; expected numbers such as 24,48,72") from None
    return found


def swept(
    policies: Sequence[Policy], inactivity_hours: Sequence[Decimal], timeout_days: Sequence[Decimal]
) -> list[Policy]:
    """Each policy with each of the durations; an empty sequence leaves its own.

    Raises InvalidPolicyError for a duration that a policy can't have, or for too many policies.
    """
    count = len(policies) * max(1, len(inactivity_hours)) * max(1, len(timeout_days))
    if count > MOST_POLICIES:
        raise InvalidPolicyError(f"{count} policies; expected at most {MOST_POLICIES}")
    hours: Sequence[Decimal | None] = inactivity_hours or [None]
    days: Sequence[Decimal | None] = timeout_days or [None]
    return [_with(*each) for each in product(policies, hours, days)]


def _with(policy: Policy, hours: Decimal | None, days: Decimal | None) -> Policy:
    if hours is None and days is None:
        return policy
    given = policy.model_dump()
    version = [policy.version]
    if hours is not None:
        given["deadlines"]["inactivity_hours"] = hours
        version.append(f"{hours.normalize():f}h")
    if days is not None:
        given["deadlines"]["timeout_days"] = days
        version.append(f"{days.normalize():f}d")
    return policy_of_tables(given | {"version": " ".join(version)})
