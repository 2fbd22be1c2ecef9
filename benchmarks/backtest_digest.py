"""Digests of abandonments: their number and a sum that does not depend on their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import pyarrow as pa

from journeys.agents.history.backtest import History, backtest
from journeys.streams.partition.driver import replay_unpunctuated
from journeys.streams.rule.policy import Policy

Digest: TypeAlias = tuple[int, int]

_NAMES = (
    *("journey_id", "abandonment_reason", "started_at", "abandoned_at", "detected_at"),
    *("penalty_amount_micros", "opportunity_cost_micros"),
)
_BITS = 64


def digest_of_replay(records: Iterable[Any], policy: Policy) -> Digest:
    """Digest of what the pure core gives; instants are epoch milliseconds."""
    found = (one for effects in replay_unpunctuated(records, policy=policy) for one in effects.abandonments)
    return _digest(tuple(getattr(one, name) for name in _NAMES) for one in found)


def digest_of_tables(history: History, policies: Sequence[Policy]) -> list[Digest]:
    """Digests of what the engine gives, by policy."""
    rows: list[list[tuple[Any, ...]]] = [[] for _ in policies]

    def add(policy: int, found: pa.Table) -> None:
        columns = [
            found[name].cast(pa.int64()).to_pylist() if name.endswith("_at") else found[name].to_pylist()
            for name in _NAMES
        ]
        rows[policy] += zip(*columns, strict=True)

    backtest(history, policies, abandonments=add)
    return [_digest(one) for one in rows]


def _digest(abandonments: Iterable[tuple[Any, ...]]) -> Digest:
    count = total = 0
    for one in abandonments:
        count += 1
        total += int.from_bytes(blake2b(repr(one).encode(), digest_size=_BITS // 8).digest())
    return count, total % 2**_BITS
