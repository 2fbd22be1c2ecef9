"""Ended episodes as records of the output topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.peers.bytewax.episode import Episode
from benchmarks.peers.bytewax.shard import Ended
from journeys.schemas.codec import Codec
from journeys.schemas.identity import abandonment_id
from journeys.schemas.records import JourneyAbandoned
from journeys.streams.rule.penalty import PenaltyTable, days_active
from journeys.streams.rule.policy import DEFAULT_POLICY

_NOTHING: Final[dict[str, Any]] = dict.fromkeys(JourneyAbandoned._fields)
_PENALTIES: Final = PenaltyTable(DEFAULT_POLICY.penalty)


def encoded(ended: Sequence[Ended], codec: Codec) -> list[tuple[bytes, bytes]]:
    """Keys and values of records; encoded together, which costs a tenth of one by one."""
    values = codec.encode_all([_abandonment(*one) for one in ended])
    return [(one.journey_id.encode(), value) for one, value in zip(ended, values, strict=True)]


def _abandonment(journey_id: str, episode: Episode, detected_at: int) -> JourneyAbandoned:
    abandoned_at = episode.deadline_at
    timed_out = abandoned_at == episode.started_at + DEFAULT_POLICY.timeout_ms
    reason = "TIMEOUT" if timed_out else "INACTIVITY"
    penalty = _PENALTIES.amount(
        total_cost_micros=episode.total_cost_micros,
        state=episode.state,
        reason=reason,
        days=days_active(episode.started_at, abandoned_at),
        conversion_probability=episode.conversion_probability,
        conversion_value_micros=episode.conversion_value_micros,
    )
    said = {
        "abandonment_id": abandonment_id(journey_id, episode.started_at),
        "journey_id": journey_id,
        "user_id": episode.user_id,
        "abandonment_reason": reason,
        "state": episode.state,
        "started_at": episode.started_at,
        "last_touchpoint_at": episode.last_activity_at,
        "abandoned_at": abandoned_at,
        "detected_at": detected_at,
        "touchpoint_count": episode.touchpoint_count,
        "total_cost_micros": episode.total_cost_micros,
        "total_penalty_micros": penalty.total_micros,
        "formula_version": DEFAULT_POLICY.penalty.formula_version,
        "policy_version": DEFAULT_POLICY.version,
        "terminated": False,
        "truncated": True,
    }
    return JourneyAbandoned(**(_NOTHING | said | penalty._asdict()))
