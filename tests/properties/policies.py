"""Policies that random logs bring: each makes a duration short, or turns on what the default leaves off."""

from __future__ import annotations

from typing import Any, Final

from journeys.schemas.instants import SECOND_MS
from journeys.schemas.records import PolicyChanged
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy, policy_from_json

# No policy has less: a record behind the clock by less is in time under each of them.
SHORTEST_GRACE_MS: Final = 60 * SECOND_MS

_SHORT: Final = {"timeout_days": "3", "inactivity_hours": "36", "max_journey_duration_days": "9"}


def _policy(version: str, **parts: Any) -> Policy:
    return Policy.model_validate({"version": version, **parts})


POLICIES: Final = (
    _policy("short-1", deadlines=_SHORT, cleanup={"stale_data_days": "4", "batch_size": 1}),
    _policy(
        "engaged-1",
        deadlines={**_SHORT, "timeout_days": "2", "inactivity_hours": "48"},
        cleanup={"stale_data_days": "4", "batch_size": 2},
        extension={"touchpoints": 1, "extend_by_days": "1.5"},
    ),
    _policy(
        "tired-1",
        deadlines={**_SHORT, "grace_seconds": "7200"},
        cleanup={"stale_data_days": "4", "batch_size": 1},
        fatigue={"touchpoints": 3, "window_hours": "24"},
        limits={"budget": "40", "conversion_quiet_period_hours": "12"},
        duplicates={"remembered": 3},
    ),
    _policy(
        "engaged-2",
        deadlines={**_SHORT, "inactivity_hours": "30"},
        cleanup={"stale_data_days": "4", "batch_size": 1},
        extension={"touchpoints": 2, "extend_by_days": "0.5"},
        fatigue={"touchpoints": 5, "window_hours": "6"},
    ),
    _policy("plain-1", cleanup={"stale_data_days": "4", "batch_size": 3}, duplicates={"remembered": 20}),
)

# Two versions that claim a content which is not theirs.
IMPOSTORS: Final = (
    _policy("short-1", cleanup={"stale_data_days": "7"}),
    _policy("engaged-2", limits={"budget": "1"}),
)


def with_batch_size(change: PolicyChanged, batch_size: int) -> PolicyChanged:
    """Return the change with another cleanup batch in its policy; the default policy can't have another."""
    policy = policy_from_json(change.policy)
    if policy == DEFAULT_POLICY:
        return change
    given = policy.model_dump()
    changed = Policy.model_validate({**given, "cleanup": {**given["cleanup"], "batch_size": batch_size}})
    return change._replace(policy=changed.to_json())
